"""Jars are fetched once, by their checksum, whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from mlcore.beam import jars
from mlcore.beam.jars import Jar
from mlcore.errors import EngineError


class Repository:
    """A Maven repository on this machine, and what was asked of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []
        asked = self.asked

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                asked.append(self.path)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def publish(self, coordinates: str, content: bytes) -> Jar:
        jar = Jar(coordinates=coordinates, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        path = self.root / jar.url_path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return jar


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    running = Repository(tmp_path / "repository")
    yield running
    running.server.shutdown()
    running.server.server_close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_jars_are_fetched_once_in_order(repository: Repository, tmp_path: Path) -> None:
    """The class path keeps its order, and a second time nothing is asked of the repository."""
    wanted = [repository.publish(f"org.example:part-{n}:1.{n}", bytes([n]) * 3_000_000) for n in (2, 0, 1)]
    cache = tmp_path / "cache"
    files = jars.fetch(wanted, cache, repository=repository.url)
    assert [file.name for file in files] == ["part-2-1.2.jar", "part-0-1.0.jar", "part-1-1.1.jar"]
    assert [file.read_bytes()[0] for file in files] == [2, 0, 1]
    assert names(cache) == sorted(file.name for file in files)
    asked = len(repository.asked)
    assert jars.fetch(wanted, cache, repository=repository.url) == files
    assert len(repository.asked) == asked == 3


def test_another_file_under_the_name_is_refused(repository: Repository, tmp_path: Path) -> None:
    """The error says so, nothing of it is kept, and the jars that were right are."""
    good = repository.publish("org.example:good:1", b"good")
    bad = repository.publish("org.example:bad:1", b"bad")
    (repository.root / bad.url_path).write_bytes(b"evil")
    with pytest.raises(EngineError, match="not the one that was pinned") as caught:
        jars.fetch([good, bad], tmp_path / "cache", repository=repository.url)
    assert caught.value.where.endswith("org/example/bad/1/bad-1.jar")
    assert names(tmp_path / "cache") == ["good-1.jar"]


def test_trying_again_fetches_only_what_is_missing_or_damaged(repository: Repository, tmp_path: Path) -> None:
    """After a failure what came stays; a file that was changed in the cache is fetched anew."""
    cache = tmp_path / "cache"
    one, two = (repository.publish(f"org.example:{name}:1", name.encode()) for name in ("one", "two"))
    hidden = repository.root / two.url_path
    hidden.rename(hidden.with_suffix(".hidden"))
    with pytest.raises(EngineError, match=r"cannot be fetched: .*404") as caught:
        jars.fetch([one, two], cache, repository=repository.url)
    assert "flink_job_server_jar" in caught.value.next_step
    hidden.with_suffix(".hidden").rename(hidden)
    assert names(cache) == ["one-1.jar"]
    repository.asked.clear()
    jars.fetch([one, two], cache, repository=repository.url)
    assert repository.asked == [f"/{two.url_path}"]
    (cache / "one-1.jar").write_bytes(b"damaged")
    assert jars.fetch([one, two], cache, repository=repository.url)[0].read_bytes() == b"one"


def test_a_repository_that_cannot_be_reached_is_an_error_at_once(tmp_path: Path) -> None:
    """Where there is no network, the error names the address and what else can be done."""
    jar = Jar(coordinates="org.example:any:1", size_bytes=1, sha256="0" * 64)
    with pytest.raises(EngineError, match="cannot be fetched"):
        jars.fetch([jar], tmp_path / "cache", repository="http://127.0.0.1:1")
    assert names(tmp_path / "cache") == []


def test_a_download_that_takes_too_long_is_given_up(repository: Repository, tmp_path: Path) -> None:
    """The deadline holds inside a file as well."""
    jar = repository.publish("org.example:large:1", bytes(5_000_000))
    with pytest.raises(EngineError, match="takes too long"):
        jars.fetch([jar], tmp_path / "cache", repository=repository.url, deadline_seconds=0)


def test_one_file_by_its_url(repository: Repository, tmp_path: Path) -> None:
    """The same name from two places are two files."""
    first = repository.publish("a:x:1", b"first")
    second = repository.publish("b:x:1", b"second")
    found = [jars.fetch_url(f"{repository.url}/{jar.url_path}", jar.sha256, tmp_path / "c") for jar in (first, second)]
    assert [path.read_bytes() for path in found] == [b"first", b"second"]


@pytest.mark.parametrize("name", ["flink-1.19", "spark-3"])
def test_what_is_pinned_is_whole(name: str) -> None:
    """Every jar of a set has coordinates, a size and a SHA-256, and no file name is there twice."""
    found = jars.pinned(name)
    assert found is not None
    assert found.main.endswith("JobServerDriver")
    assert len({jar.name for jar in found.jars}) == len(found.jars) > 100
    for jar in found.jars:
        assert len(jar.coordinates.split(":")) in (3, 4)
        assert len(bytes.fromhex(jar.sha256)) == 32
        assert jar.size_bytes > 0


def test_there_is_no_set_of_another_name() -> None:
    """What is not pinned is not guessed."""
    assert jars.pinned("flink-9.9") is None
    assert jars.pinned_versions("flink") == ("1.19",)
