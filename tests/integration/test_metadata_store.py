from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from mlcore.core.types import ArtifactState, ArtifactType, ExecutionState, NewArtifact, NewExecution
from mlcore.core.window import Span, parse_moment
from mlcore.errors import MetadataError, MetadataUnavailable
from mlcore.metadata.store import AlreadyPublished, MetadataStore, Publication, migrate

DAY = Span(start=parse_moment("2013-01-01T00:00Z"), end=parse_moment("2013-01-02T00:00Z"))
DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def store(database_url: str) -> Iterator[MetadataStore]:
    opened = MetadataStore.open(database_url)
    yield opened
    opened.close()


def new_execution(fingerprint: str | None = "f1", component: str = "Trainer", run: str = "r1") -> NewExecution:
    return NewExecution(component=component, pipeline="p", run=run, fingerprint=fingerprint)


def new_artifact(uri: str = "p/x/1/model", type_: ArtifactType = ArtifactType.MODEL) -> NewArtifact:
    return NewArtifact(type=type_, uri=uri, digest=DIGEST, pipeline="p", span=DAY, properties={"rows": 3})


def publish(store: MetadataStore, fingerprint: str = "f1", uri: str = "u") -> int:
    begun = store.begin(new_execution(fingerprint), {})
    store.publish([Publication(execution_id=begun.id, outputs={"model": [new_artifact(uri)]})])
    return begun.id


def test_published_outputs_are_found_by_fingerprint(store: MetadataStore) -> None:
    """What one transaction published is what a later run of the same fingerprint finds."""
    execution_id = publish(store)
    assert store.cached(["f1", "f2"]) == {"f1": execution_id}
    (model,) = store.outputs(execution_id)["model"]
    assert (model.type, model.state, model.span, model.properties) == (
        ArtifactType.MODEL,
        ArtifactState.LIVE,
        DAY,
        {"rows": 3},
    )
    assert store.execution(execution_id).state is ExecutionState.COMPLETE


def test_nothing_is_visible_before_the_transaction_ends(store: MetadataStore) -> None:
    """An error in the last step of a publication takes all of it back."""
    begun = store.begin(new_execution(), {})

    def broken(_: object) -> None:
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        store.publish([Publication(execution_id=begun.id, outputs={"model": [new_artifact()]})], on_commit=broken)
    assert store.cached(["f1"]) == {}
    assert store.outputs(begun.id) == {}
    assert store.execution(begun.id).state is ExecutionState.RUNNING


def test_a_new_attempt_closes_the_dead_one(store: MetadataStore) -> None:
    """Whoever holds the lock knows that an execution that still says RUNNING has no process."""
    dead = store.begin(new_execution(), {})
    alive = store.begin(new_execution(run="r2"), {})
    assert store.execution(dead.id).state is ExecutionState.CANCELED
    assert store.execution(alive.id).state is ExecutionState.RUNNING
    with pytest.raises(MetadataError, match="no longer running"):
        store.publish([Publication(execution_id=dead.id, outputs={"model": [new_artifact()]})])


def test_of_two_equal_executions_one_publishes(store: MetadataStore) -> None:
    """When a lock was lost, the database still lets only one through."""
    publish(store)
    second = store.begin(new_execution(), {})
    with pytest.raises(AlreadyPublished):
        store.publish([Publication(execution_id=second.id, outputs={"model": [new_artifact("other")]})])
    assert store.outputs(second.id) == {}


def test_lost_outputs_are_not_reused(store: MetadataStore) -> None:
    """Invalidated outputs are DELETED and their fingerprint is free again."""
    execution_id = publish(store)
    store.invalidate(execution_id)
    assert store.cached(["f1"]) == {}
    assert store.outputs(execution_id)["model"][0].state is ArtifactState.DELETED
    assert publish(store, uri="again") != execution_id


def test_cached_executions_reuse_and_do_not_produce(store: MetadataStore) -> None:
    """A CACHED execution shows the outputs it reused, and lineage still knows one producer."""
    execution_id = publish(store)
    (model,) = store.outputs(execution_id)["model"]
    cached = store.record_cached(new_execution(run="r2"), {}, {"model": [model.id]})
    assert cached.state is ExecutionState.CACHED
    assert store.outputs(cached.id) == store.outputs(execution_id)
    assert store.find_artifacts(type=ArtifactType.MODEL, run="r2") == (model,)


def test_source_versions_are_recorded_once(store: MetadataStore) -> None:
    """Registering a file again gives the same record; another digest is a new version."""
    first = NewArtifact(type=ArtifactType.SOURCE_FILE, uri="/d/1.csv", digest=DIGEST, pipeline="p", span=DAY)
    second = NewArtifact(type=ArtifactType.SOURCE_FILE, uri="/d/1.csv", digest=DIGEST[:-1] + "b", pipeline="p")
    (recorded,) = store.register_sources([first])
    assert store.register_sources([first]) == (recorded,)
    (newer,) = store.register_sources([second])
    assert newer.id != recorded.id


def test_a_file_that_is_again_what_it_was_is_found_as_such(store: MetadataStore) -> None:
    """A file put back from a backup is the version it was, as it was seen last, and is not read at every run."""
    versions = [
        NewArtifact(
            type=ArtifactType.SOURCE_FILE, uri="/d/1.csv", digest=digest, pipeline="p", properties={"mtime_ns": mtime}
        )
        for digest, mtime in ((DIGEST, 1), (DIGEST[:-1] + "b", 2), (DIGEST, 3))
    ]
    (first,), (second,), (third,) = (store.register_sources([version]) for version in versions)
    assert (third.id, third.properties) == (first.id, {"mtime_ns": 3})
    assert second.id != first.id


def test_sources_are_registered_by_several_at_once(store: MetadataStore) -> None:
    """Runs that find the same new files in different orders agree on their records."""
    files = [
        NewArtifact(type=ArtifactType.SOURCE_FILE, uri=f"/d/{day}.csv", digest=DIGEST, pipeline="p", span=DAY)
        for day in range(50)
    ]
    with ThreadPoolExecutor(6) as threads:
        orders = [files, files[::-1]] * 3
        found = list(threads.map(store.register_sources, orders))
    assert len({artifact.id for artifacts in found for artifact in artifacts}) == 50
    assert [artifact.uri for artifact in found[1]] == [file.uri for file in files[::-1]]


def test_a_run_of_the_same_name_in_another_pipeline_is_another_run(store: MetadataStore) -> None:
    """What a run made is found by its pipeline too."""
    publish(store)
    other = store.begin(NewExecution(component="Trainer", pipeline="q", run="r1", fingerprint="f2"), {})
    made = NewArtifact(type=ArtifactType.MODEL, uri="q/u", digest=DIGEST, pipeline="q")
    store.publish([Publication(execution_id=other.id, outputs={"model": [made]})])
    assert [found.uri for found in store.find_artifacts(type=ArtifactType.MODEL, pipeline="q", run="r1")] == ["q/u"]
    assert [summary.states for summary in store.runs("q")] == [{ExecutionState.COMPLETE: 1}]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE artifact SET digest = 'other'",
        "UPDATE artifact SET digest = NULL",
        "UPDATE artifact SET uri = 'other'",
        "UPDATE artifact SET properties = '{}'",
        "UPDATE artifact SET span_start = NULL, span_end = NULL",
        "UPDATE artifact SET state = 'PENDING'",
        "UPDATE artifact SET state = 'GONE'",
        "UPDATE artifact SET state = 'DELETED'; UPDATE artifact SET state = 'LIVE'",
        "DELETE FROM artifact",
        "DELETE FROM execution",
        "INSERT INTO artifact (type, uri, pipeline, state) VALUES ('Model', 'u', 'p', 'LIVE')",
        "INSERT INTO artifact (type, uri, pipeline, state, span_start) VALUES ('Model', 'u', 'p', 'PENDING', now())",
        "INSERT INTO execution (component, pipeline, run, state) VALUES ('C', 'p', 'r', 'COMPLETE')",
        "INSERT INTO execution (component, pipeline, run, state, finished_at) VALUES ('C', 'p', 'r', 'RUNNING', now())",
        "UPDATE execution SET state = 'RUNNING', finished_at = NULL",
        "UPDATE execution SET error = 'later'",
        "UPDATE execution SET fingerprint = 'other'",
        "INSERT INTO event SELECT execution_id, artifact_id, 'OUTPUT', 'again', 0 FROM event WHERE type = 'OUTPUT'",
        "INSERT INTO event SELECT execution_id, artifact_id, 'TOUCHED', 'again', 0 FROM event",
        "INSERT INTO event VALUES (0, 0, 'INPUT', 'k', 0)",
    ],
)
def test_the_database_refuses_what_must_not_be(store: MetadataStore, statement: str) -> None:
    """States, immutability and one producer an artifact are kept by the database, not by the code in front of it."""
    execution_id = publish(store)
    before = (store.execution(execution_id), store.outputs(execution_id))
    with pytest.raises(MetadataError, match="refused"), store.begun() as connection:
        connection.execute(text(statement))
    assert (store.execution(execution_id), store.outputs(execution_id)) == before


def test_what_is_deleted_is_out_of_the_cache(store: MetadataStore) -> None:
    """Whoever marks an artifact as DELETED, its execution's outputs are not reused any more."""
    publish(store)
    publish(store, "f2", "u2")
    with store.begun() as connection:
        connection.execute(text("UPDATE artifact SET state = 'DELETED' WHERE uri = 'u2'"))
    assert list(store.cached(["f1", "f2"])) == ["f1"]


def chain(store: MetadataStore, length: int) -> tuple[int, int]:
    """Insert a chain of ``length`` executions, each reading what the one before made; its first and last artifact."""
    with store.begun() as connection:
        connection.execute(
            text(
                "INSERT INTO artifact (type, uri, digest, pipeline, state)"
                " SELECT 'Model', 'u' || n, 'd', 'p', 'LIVE' FROM generate_series(0, :length) n"
            ),
            {"length": length},
        )
        connection.execute(
            text(
                "INSERT INTO execution (component, pipeline, run, state, finished_at)"
                " SELECT 'C', 'p', 'r', 'COMPLETE', now() FROM generate_series(1, :length)"
            ),
            {"length": length},
        )
        first, last = connection.execute(text("SELECT min(id), max(id) FROM artifact")).one()
        offset = connection.scalar(text("SELECT min(id) FROM execution"))
        for shift, kind in ((0, "INPUT"), (1, "OUTPUT")):
            connection.execute(
                text(
                    "INSERT INTO event SELECT :offset + n, :first + n + :shift, :kind, 'k', 0"
                    " FROM generate_series(0, :length - 1) n"
                ),
                {"offset": offset, "first": first, "shift": shift, "kind": kind, "length": length},
            )
    return first, last


def test_lineage_is_ten_thousand_hops_deep(store: MetadataStore) -> None:
    """Lineage has no cap, in both directions, and says how far away each artifact is."""
    first, last = chain(store, 10_000)
    up = store.lineage(last, "up")
    assert len(up) == 10_000
    assert (up[-1].artifact.id, up[-1].depth) == (first, 10_000)
    assert len(store.lineage(first, "down")) == 10_000
    assert [node.depth for node in store.lineage(last, "up", max_depth=3)] == [1, 2, 3]


def test_lineage_walks_a_diamond_once(store: MetadataStore) -> None:
    """Forty layers of two artifacts, each made from both before: 2**40 paths, 80 artifacts."""
    layer = [publish_with(store, []), publish_with(store, [])]
    for _ in range(40):
        layer = [publish_with(store, layer), publish_with(store, layer)]
    nodes = store.lineage(layer[0], "up")
    assert len(nodes) == 80
    assert max(node.depth for node in nodes) == 40


def publish_with(store: MetadataStore, inputs: list[int]) -> int:
    begun = store.begin(new_execution(None), {"in": inputs})
    ((artifact,),) = [
        found["out"]
        for found in store.publish(
            [Publication(execution_id=begun.id, outputs={"out": [new_artifact(f"u{begun.id}")]})]
        )
    ]
    return artifact.id


HOLDER = """
    import sys, time
    from mlcore.metadata.store import MetadataStore
    store = MetadataStore.open(sys.argv[1])
    with store.exclusive(["f1"]):
        print("held", flush=True)
        time.sleep(60)
"""


def test_a_killed_holder_frees_its_locks(store: MetadataStore, database_url: str) -> None:
    """Locks die with their process: after kill -9 the next one gets them at once."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), database_url], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "held"
        waited = threading.Event()
        entered = threading.Event()

        def wait_for_it() -> None:
            with store.exclusive(["f1"], on_wait=waited.set):
                entered.set()

        thread = threading.Thread(target=wait_for_it)
        thread.start()
        assert waited.wait(10)
        assert not entered.is_set()
        os.kill(holder.pid, signal.SIGKILL)
        assert entered.wait(10)
        thread.join()


def test_dead_executions_are_told_from_waiting_ones(store: MetadataStore) -> None:
    """Only an execution whose lock nobody holds is closed as dead."""
    with store.exclusive(["held"]):
        alive = store.begin(new_execution("held"), {})
        dead = store.begin(new_execution("free"), {})
        assert store.close_dead(older_than=timedelta(0)) == 1
        assert store.execution(alive.id).state is ExecutionState.RUNNING
        assert store.execution(dead.id).state is ExecutionState.CANCELED


def test_migrations_at_once_do_not_collide(postgres_url: str, database_url: str) -> None:
    """Several processes may migrate one database at the same time, and again later."""
    with MetadataStore.open(database_url).begun() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    errors: list[BaseException] = []

    def work() -> None:
        try:
            migrate(database_url)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    migrate(database_url)
    MetadataStore.open(database_url).close()


def test_an_absent_server_is_named_without_its_password() -> None:
    """The message says which server does not answer and keeps the password to itself."""
    with pytest.raises(MetadataUnavailable) as error:
        MetadataStore.open("postgresql+psycopg2://user:hunter2@127.0.0.1:1/none")
    assert "127.0.0.1:1" in error.value.where
    assert "hunter2" not in str(error.value)


def test_another_database_is_refused() -> None:
    """Only PostgreSQL keeps the rules the store relies on."""
    with pytest.raises(MetadataError, match="needs PostgreSQL"):
        MetadataStore.open("sqlite:///x.db")
