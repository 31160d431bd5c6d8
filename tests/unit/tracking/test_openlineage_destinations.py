"""Where lineage events go: a file that several append to, an endpoint that comes and goes."""

from __future__ import annotations

import json
import multiprocessing
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.lineage_endpoint import endpoint

from mlcore.config.lineage import Lineage
from mlcore.errors import ConfigError
from mlcore.tracking.openlineage.destinations import FileDestination, HttpDestination, destination_of
from mlcore.tracking.openlineage.records import Event, EventKey, EventKind, Subject

MOMENT = datetime(2024, 1, 1, tzinfo=UTC)


def events(count: int, text: str = "") -> list[Event]:
    return [
        Event(
            key=EventKey(Subject.EXECUTION, number, EventKind.START),
            moment=MOMENT,
            document={"number": number, "text": text},
        )
        for number in range(count)
    ]


def test_lines_of_several_writers_are_whole(tmp_path: Path) -> None:
    """Four processes append events longer than a page at once: every line is one of them, none is missing."""
    path = tmp_path / "deep" / "events.jsonl"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(path, letter)) for letter in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted((one["text"][0], one["number"]) for one in found) == [
        (letter, number) for letter in "abcd" for number in range(20)
    ]


def _write(path: Path, letter: str) -> None:
    for event in events(20, letter * 9_000):
        FileDestination(path).send([event])


def test_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    """What a killed process left without its end is ended, and what comes after it is whole."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"number": 1}\n{"num')
    outcome = FileDestination(path).send(events(2))
    assert outcome.error is None
    lines = path.read_bytes().split(b"\n")
    assert lines[:2] == [b'{"number": 1}', b'{"num']
    assert [json.loads(line)["number"] for line in lines[2:4]] == [0, 1]
    assert lines[4:] == [b""]


def test_a_file_that_cannot_be_written_takes_nothing(tmp_path: Path) -> None:
    """A folder stands in its place: the reason is said, and nothing is taken for delivered."""
    outcome = FileDestination(tmp_path).send(events(1))
    assert outcome.taken == ()
    assert outcome.error is not None
    assert str(tmp_path) in str(outcome.error)


def test_an_endpoint_is_sent_each_event_with_the_token() -> None:
    """As JSON, in order; an address without a path is that of the usual one."""
    with endpoint() as server:
        given = Lineage(url=server.url, token="${TOKEN}")
        outcome = destination_of(given, Path("/"), {"TOKEN": "s3cret"}).send(events(3))
        assert len(outcome.taken) == 3
        assert [one["number"] for one in server.events] == [0, 1, 2]
        assert server.headers[0]["Authorization"] == "Bearer s3cret"
        assert server.headers[0]["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [302, 401, 404, 429, 500, 503])
def test_what_may_be_cured_waits(status: int) -> None:
    """Nothing is taken, later events are not sent before it, and no secret is repeated that the endpoint repeats."""
    with endpoint() as server:
        server.answer = status
        outcome = HttpDestination(url=f"{server.url}/api", token="s3cret").send(events(3))
    assert (outcome.taken, outcome.refused) == ((), {})
    assert outcome.error is not None
    assert f"HTTP {status}" in str(outcome.error)
    assert "s3cret" not in str(outcome.error)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_an_endpoint_will_never_take_keeps_nothing_waiting(status: int) -> None:
    """The event is done with, the reason is kept without secrets, and the next one is sent."""
    with endpoint() as server:
        server.answer = status
        outcome = HttpDestination(url=f"{server.url}/api", token="s3cret").send(events(2))
    assert len(outcome.taken) == len(outcome.refused) == 2
    assert outcome.error is None
    assert all(f"HTTP {status}" in why and "s3cret" not in why for why in outcome.refused.values())


def test_an_endpoint_that_goes_away_has_taken_what_it_answered() -> None:
    """Two of three: the third waits."""
    with endpoint() as server:
        server.after = 2
        outcome = HttpDestination(url=f"{server.url}/api").send(events(3))
    assert [key.id for key in outcome.taken] == [0, 1]
    assert outcome.error is not None


def test_an_endpoint_that_says_nothing_is_not_waited_for() -> None:
    """It takes the connection and is silent: after the time allowed that is an error."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/api"
        outcome = HttpDestination(url=url, timeout_seconds=0.2).send(events(3))
    assert outcome.error is not None
    assert time.monotonic() - started < 10


def test_secrets_are_in_no_text() -> None:
    """Of a token and of an address that come from the environment: neither in what is shown nor in what is kept."""
    secret = "s3cret"
    given = Lineage(url="${LINEAGE_URL}", token="${TOKEN}")
    environ = {"LINEAGE_URL": f"http://127.0.0.1:1/api?key={secret}", "TOKEN": secret}
    found = destination_of(given, Path("/"), environ)
    outcome = found.send(events(1))
    assert secret not in f"{found!r} {found.shown} {found.key} {outcome.error}"
    assert found.shown == "${LINEAGE_URL}"


def test_a_variable_that_is_not_set_is_named() -> None:
    """So is that what it stands for is no address, without quoting it."""
    with pytest.raises(ConfigError, match="TOKEN is not set"):
        destination_of(Lineage(url="http://host", token="${TOKEN}"), Path("/"), {})
    with pytest.raises(ConfigError) as caught:
        destination_of(Lineage(url="${URL}"), Path("/"), {"URL": "http://me:s3cret@host/"})
    assert "s3cret" not in str(caught.value)


def test_destinations_are_told_apart_by_where_they_are(tmp_path: Path) -> None:
    """Another token is the same place; another address or file is another, which has everything yet to come."""
    one, two = (HttpDestination(url="http://host/a", token=token) for token in "xy")
    keys = [one.key, HttpDestination(url="http://host/b").key, FileDestination(tmp_path / "a").key]
    assert one.key == two.key
    assert len(set(keys)) == 3
