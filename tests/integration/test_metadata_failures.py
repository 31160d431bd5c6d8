from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from support.stores import new_artifact, new_execution

from mlcore.artifacts.store import ArtifactStore
from mlcore.core.types import ArtifactState, ArtifactType, ExecutionState
from mlcore.errors import MetadataError, MetadataUnavailable
from mlcore.metadata.store import AlreadyPublished, MetadataStore, Publication, migrate
from mlcore.platform.postgres import EmbeddedPostgres
from mlcore.registry.store import Registry
from mlcore.runtime.gc import collect

TESTS = str(Path(__file__).parents[1])


@pytest.fixture
def store(database_url: str) -> Iterator[MetadataStore]:
    opened = MetadataStore.open(database_url)
    yield opened
    opened.close()


def python(code: str, *args: str) -> subprocess.Popen[str]:
    """A process of its own that runs ``code`` and prints a line when it has got somewhere."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([TESTS, os.environ.get("PYTHONPATH", "")])},
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


KILLED = """
    import os, signal, sys
    from support.stores import new_artifact, new_execution
    from mlcore.artifacts.store import ArtifactStore
    from mlcore.metadata.store import MetadataStore, Publication

    url, root, moment = sys.argv[1:]
    store, artifacts = MetadataStore.open(url), ArtifactStore(root)

    def reached(name):
        if name == moment:
            print("there", flush=True)
            signal.pause()

    with store.exclusive(["f"]):
        reached("locked")
        begun = store.begin(new_execution("f"), {})
        reached("begun")
        uri = artifacts.fresh("p", "Trainer", begun.id) + "/model"
        (artifacts.folder(uri) / "x").write_bytes(b"half")
        reached("written")
        store.publish(
            [Publication(execution_id=begun.id, outputs={"model": [new_artifact(uri)]})],
            on_commit=lambda connection: reached("publishing"),
        )
        reached("published")
"""


@pytest.mark.parametrize("moment", ["locked", "begun", "written", "publishing", "published"])
def test_killed_at_any_moment_leaves_all_or_nothing(
    store: MetadataStore, database_url: str, tmp_path: Path, moment: str
) -> None:
    """After kill -9 the lock is free, nothing half-done is visible, and what is left of the files is collected."""
    artifacts = ArtifactStore(str(tmp_path / "store"))
    with python(KILLED, database_url, str(tmp_path / "store"), moment) as process:
        assert first_line(process) == "there"
        if moment != "published":
            assert store.cached(["f"]) == {}
            assert store.find_artifacts(type=ArtifactType.MODEL) == ()
        assert collect(artifacts, store, dry_run=False, min_age_seconds=0) == ()
        process.kill()
    with store.exclusive(["f"], on_wait=lambda: pytest.fail("the lock of a dead process is held")):
        done = store.cached(["f"])
    garbage = collect(artifacts, store, dry_run=True, min_age_seconds=0)
    assert garbage == collect(artifacts, store, dry_run=False, min_age_seconds=0)
    assert store.running() == frozenset()
    assert len(done) == (moment == "published")
    assert len(garbage) == (moment in ("written", "publishing"))
    assert len(list(artifacts.prefixes())) == (moment == "published")


FORKED = """
    import gc, os, sys
    from sqlalchemy import text
    from support.stores import new_execution
    from mlcore.metadata.store import MetadataStore

    def ask(what):
        with store.begun() as connection:
            return connection.scalar(text(f"SELECT {what} FROM pg_stat_activity WHERE pid = pg_backend_pid()"))

    store = MetadataStore.open(sys.argv[1])
    with store.exclusive(["f"]):
        store.begin(new_execution("f"), {})
        forked_at = ask("clock_timestamp()")
        child = os.fork()
        if child == 0:
            try:
                assert ask("backend_start") > forked_at
                with store.exclusive(["g"]):
                    store.begin(new_execution("g"), {})
                gc.collect()
            except BaseException as error:
                print(repr(error), flush=True)
                os._exit(1)
            sys.exit(0)  # unwinds through the parent's lock
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert ask("backend_start") < forked_at
        store.begin(new_execution("h"), {})
        print(len(store.running()), flush=True)
        sys.stdin.read()
"""


def test_a_fork_uses_connections_of_its_own(store: MetadataStore, database_url: str) -> None:
    """Airflow forks its tasks: a child works on the same store and ends, and its parent's lock and connections live."""
    with python(FORKED, database_url) as process:
        assert first_line(process) == "3"
        assert store.dead(older_than=timedelta(0)) == {
            execution.id for execution in store.executions("p", "r") if execution.fingerprint != "f"
        }
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0
    assert len(store.dead(older_than=timedelta(0))) == 3


WAITING = """
    import sys, threading
    from mlcore.metadata.store import MetadataStore
    store = MetadataStore.open(sys.argv[1])
    print("ready", flush=True)
    try:
        with store.exclusive(["e", "f", "g"], on_wait=lambda: print("waiting", flush=True)):
            print("held", flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        with store.exclusive(["e"]):
            print("e again", flush=True)
"""


def test_waiting_for_a_lock_can_be_interrupted(store: MetadataStore, database_url: str) -> None:
    """Ctrl-C ends the wait within seconds, and what was locked on the way is free again."""
    with store.exclusive(["f"]), python(WAITING, database_url) as process:
        assert first_line(process) == "ready"
        assert first_line(process) == "waiting"
        process.send_signal(signal.SIGINT)
        assert first_line(process) == "interrupted"
        assert first_line(process) == "e again"
        assert process.wait(20) == 0
        with store.exclusive(["e", "g"], on_wait=lambda: pytest.fail("a lock was left behind")):
            pass


def test_crossed_locks_do_not_wait_for_each_other(store: MetadataStore) -> None:
    """Two who want the same locks in opposite orders both get them, one after the other."""
    inside, most = [0], [0]

    def work(names: list[str]) -> None:
        for _ in range(20):
            with store.exclusive(names):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work, args=(names,)) for names in (["a", "b", "c"], ["c", "b", "a"], ["b"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert most == [1]


def test_more_locks_than_the_server_has_is_an_error_with_a_remedy(store: MetadataStore) -> None:
    """The server's lock table is finite: asking for more says so, and leaves nothing locked."""
    names = [str(number) for number in range(40_000)]
    with pytest.raises(MetadataError, match="out of shared memory") as error, store.exclusive(names):
        pass
    assert "max_locks_per_transaction" in error.value.next_step
    with store.exclusive(names[:100], on_wait=lambda: pytest.fail("a lock was left behind")):
        pass


def test_whoever_lost_the_race_is_told_who_won(store: MetadataStore) -> None:
    """The error of a second publication names the execution whose outputs are there."""
    first = store.begin(new_execution("f"), {})
    store.publish([Publication(execution_id=first.id, outputs={"model": [new_artifact("1/model")]})])
    second = store.begin(new_execution("f"), {})
    with pytest.raises(AlreadyPublished) as error:
        store.publish([Publication(execution_id=second.id, outputs={"model": [new_artifact("2/model")]})])
    assert error.value.execution_id == first.id
    store.invalidate(first.id)
    store.publish([Publication(execution_id=second.id, outputs={"model": [new_artifact("2/model")]})])
    assert store.cached(["f"]) == {"f": second.id}


def test_reasons_of_failure_are_kept_whatever_is_in_them(store: MetadataStore) -> None:
    """Zero bytes and broken characters from a library's message do not hide that the execution failed."""
    begun = store.begin(new_execution("f"), {})
    store.fail(begun.id, "bad byte \x00 and \udcff " + "x" * 10_000)
    failed = store.execution(begun.id)
    assert failed.state is ExecutionState.FAILED
    assert failed.error is not None
    assert failed.error.startswith("bad byte \\x00 and \\udcff xxx")
    assert len(failed.error) == 4_000
    store.fail(begun.id, "another")
    assert store.execution(begun.id) == failed


def test_unpublished_outputs_of_the_dead_are_given_up(store: MetadataStore) -> None:
    """A PENDING artifact of an execution whose process died becomes ABANDONED with it."""
    begun = store.begin(new_execution("f"), {})
    with store.begun() as connection:
        connection.execute(
            text("INSERT INTO artifact (type, uri, pipeline, state) VALUES ('Model', 'u', 'p', 'PENDING')")
        )
        connection.execute(
            text("INSERT INTO event SELECT :id, id, 'OUTPUT', 'model', 0 FROM artifact"), {"id": begun.id}
        )
    store.begin(new_execution("f"), {})
    assert store.find_artifacts(type=ArtifactType.MODEL, state=ArtifactState.PENDING) == ()
    with store.begun() as connection:
        assert connection.scalar(text("SELECT state FROM artifact")) == "ABANDONED"


@pytest.fixture(scope="module")
def stopped_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MetadataStore]:
    """A store whose server was stopped after it was opened."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("stopped"))
    server.start()
    migrate(server.url("mlcore"))
    store = MetadataStore.open(server.url("mlcore"))
    server.stop()
    yield store
    store.close()


METHODS: dict[str, Callable[[MetadataStore], object]] = {
    "exclusive": lambda store: store.exclusive(["f"]).__enter__(),
    "cached": lambda store: store.cached(["f"]),
    "execution": lambda store: store.execution(1),
    "executions": lambda store: store.executions("p", "r"),
    "runs": lambda store: store.runs("p"),
    "artifacts": lambda store: store.artifacts([1]),
    "find_artifacts": lambda store: store.find_artifacts(type=ArtifactType.MODEL),
    "outputs": lambda store: store.outputs(1),
    "inputs": lambda store: store.inputs(1),
    "begin": lambda store: store.begin(new_execution("f"), {}),
    "publish": lambda store: store.publish([Publication(execution_id=1, outputs={"model": [new_artifact("u")]})]),
    "record_cached": lambda store: store.record_cached(new_execution("f"), {}, {}),
    "fail": lambda store: store.fail(1, "error"),
    "invalidate": lambda store: store.invalidate(1),
    "register_sources": lambda store: store.register_sources([new_artifact("/x", type_=ArtifactType.SOURCE_FILE)]),
    "lineage": lambda store: store.lineage(1, "up"),
    "live_uris": lambda store: store.live_uris(),
    "close_dead": lambda store: store.close_dead(timedelta(0)),
    "running": lambda store: store.running(),
    "makers": lambda store: store.makers([1]),
    "champion": lambda store: Registry(store).champion("p"),
    "rollback": lambda store: Registry(store).rollback("p", 1, actor="me", reason=""),
}


@pytest.mark.parametrize("method", METHODS)
def test_a_server_that_stopped_is_told_by_every_method(stopped_server: MetadataStore, method: str) -> None:
    """Whatever was asked of the store, the answer is which server does not answer and what to do about it."""
    with pytest.raises(MetadataUnavailable, match="does not answer") as error:
        METHODS[method](stopped_server)
    assert "mlcore" in error.value.where
    assert "mlcore up" in error.value.next_step


def test_a_connection_lost_in_the_middle_takes_nothing_with_it(store: MetadataStore, postgres_url: str) -> None:
    """When the server ends a connection inside a publication nothing of it is there, and the store works again."""
    begun = store.begin(new_execution("f"), {})

    def cut(connection: object) -> None:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))  # type: ignore[attr-defined]

    publication = Publication(execution_id=begun.id, outputs={"model": [new_artifact("u")]})
    with pytest.raises(MetadataUnavailable):
        store.publish([publication], on_commit=cut)
    assert store.find_artifacts(type=ArtifactType.MODEL) == ()
    store.publish([publication])
    assert store.cached(["f"]) == {"f": begun.id}


def test_a_lost_lock_does_not_let_two_publish(store: MetadataStore) -> None:
    """When the server ends the connection that holds a lock, another may run, and of the two only one publishes."""
    with store.exclusive(["f"]):
        first = store.begin(new_execution("f"), {})
        with store.begun() as connection:
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
            )
        deadline = time.monotonic() + 10
        while not store.dead(timedelta(0)) and time.monotonic() < deadline:
            time.sleep(0.05)
        with store.exclusive(["f"]):
            second = store.begin(new_execution("f"), {})
            store.publish([Publication(execution_id=second.id, outputs={"model": [new_artifact("2/model")]})])
        with pytest.raises(MetadataError, match="no longer running"):
            store.publish([Publication(execution_id=first.id, outputs={"model": [new_artifact("1/model")]})])
    assert store.cached(["f"]) == {"f": second.id}
    assert [artifact.uri for artifact in store.find_artifacts(type=ArtifactType.MODEL)] == ["2/model"]


def test_folders_of_others_are_no_garbage(
    store: MetadataStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What no execution of this metadata store made is left alone, and counted in a warning."""
    artifacts = ArtifactStore(str(tmp_path))
    begun = store.begin(new_execution("f"), {})
    store.fail(begun.id, "error")
    mine, elsewhere = artifacts.fresh("p", "Trainer", begun.id), artifacts.fresh("p", "Evaluator", begun.id)
    later = artifacts.fresh("p", "Trainer", begun.id + 1000)
    for prefix in (mine, elsewhere, later, "p/Trainer/notes"):
        (artifacts.folder(f"{prefix}/model") / "x").write_bytes(b"123")
    (garbage,) = collect(artifacts, store, dry_run=False)
    assert (garbage.uri, garbage.size_bytes) == (mine, 3)
    assert sorted(artifacts.prefixes()) == sorted([elsewhere, later])
    assert artifacts.path("p/Trainer/notes/model/x").exists()
    assert "2 folders are left alone" in caplog.text


def test_executions_are_dead_by_their_lock_and_age(store: MetadataStore) -> None:
    """An execution begun moments ago is not taken for dead before the minimum age, one without a lock after it."""
    begun = store.begin(new_execution("f"), {})
    assert store.dead(older_than=timedelta(minutes=10)) == frozenset()
    assert store.dead(older_than=timedelta(0)) == {begun.id}
    with store.exclusive(["f"]):
        assert store.dead(older_than=timedelta(0)) == frozenset()
