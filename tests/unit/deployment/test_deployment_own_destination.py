"""The destination that the how-to shows, taken from that page, with a real server behind it."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from support.releases import PIPELINE, pointer, release_of

from mlcore.config.push import Push
from mlcore.deployment.destinations.levelling import bring_level, differences
from mlcore.deployment.destinations.plugins import open_destination

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to.md"


@pytest.fixture
def shelf() -> Iterator[tuple[str, dict[str, dict[str, object]]]]:
    """The address of a server that shows what it was told, and what that is."""
    held: dict[str, dict[str, object]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = json.dumps(held).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_PUT(self) -> None:
            held[self.path.strip("/")] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}", held
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_example_of_the_how_to_follows_the_registry(
    shelf: tuple[str, dict[str, dict[str, object]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed under the name that the page gives it, with the entry that the page shows."""
    pytest.importorskip("requests")
    address, held = shelf
    text = HOW_TO.read_text(encoding="utf-8").split("## Add a push destination")[1].split("\n## ")[0]
    code = re.search(r"\n\n(    from dataclasses.*?)\n\n`destinations", text, re.DOTALL)
    entry = re.search(r"`destinations: (\[.*?\])`", text)
    assert code is not None
    assert entry is not None
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "shelf.py").write_text(dedent(code[1]))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    written = yaml.safe_load(entry[1].replace("https://", "http://").replace("shelf.example.com", address))
    (config,) = Push(destinations=written).destinations
    variables = {"SHELF_TOKEN": "secret"}
    opened = open_destination(config, pipeline=PIPELINE, variables=variables, project=tmp_path)

    for version, sequence in ((1, 1), (2, 2), (1, 3)):
        bring_level(opened, [pointer(version, sequence)], release_of)
        assert (held["champion"]["version"], held["champion"]["sequence"]) == (version, sequence)
    assert list(differences(opened, [pointer(1, 3)])) == []
    (said,) = differences(opened, [pointer(2, 4)])
    assert said.startswith("champion is at version 1")
