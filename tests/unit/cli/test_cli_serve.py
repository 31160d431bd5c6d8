"""``mlcore serve``: what is refused before anything is begun."""

from __future__ import annotations

import socket
from pathlib import Path
from textwrap import dedent

import pytest
import typer
from support.project import PIPELINE
from typer.testing import CliRunner

from mlcore.cli.serve import register
from mlcore.errors import PlatformError


@pytest.mark.parametrize(
    ("host", "said"), [("127.0.0.1", "port .* is taken"), ("192.0.2.1", "it cannot be listened there")]
)
def test_an_address_that_cannot_be_had_is_told_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, said: str
) -> None:
    """A port that is taken, or an address of another machine, is an error before any model is loaded."""
    path = tmp_path / "config" / "pipelines" / "tiny.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(dedent(PIPELINE), encoding="utf-8")
    monkeypatch.setenv("MLCORE_PROJECT", str(tmp_path))
    monkeypatch.setenv("MLCORE_SERVE_TOKENS", "token")
    app = typer.Typer()
    register(app)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = CliRunner().invoke(app, ["tiny", "--host", host, "--port", port])
    with pytest.raises(PlatformError, match=said):
        raise done.exception or AssertionError(done.output)
    assert not (tmp_path / ".mlcore").exists()
