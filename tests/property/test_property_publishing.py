"""What the database's functions of beginning and publishing do, against the same rules in a few lines of Python."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from support.stores import new_artifact, new_execution

from mlcore.errors import MetadataError
from mlcore.metadata.store import AlreadyPublished, MetadataStore, Publication


@pytest.fixture
def store(database_url: str) -> Iterator[MetadataStore]:
    opened = MetadataStore.open(database_url)
    yield opened
    opened.close()


@dataclass
class Model:
    """Executions, events and the cache in dictionaries; ids are those the store gave."""

    states: dict[int, str] = field(default_factory=dict)
    fingerprints: dict[int, str | None] = field(default_factory=dict)
    events: set[tuple[int, int, str, str, int]] = field(default_factory=set)
    cache: dict[str, int] = field(default_factory=dict)
    artifacts: dict[int, str] = field(default_factory=dict)

    def begin(self, ids: list[int], fingerprints: list[str | None], reads: list[int]) -> None:
        for id_, state in self.states.items():
            if state == "RUNNING" and self.fingerprints[id_] is not None and self.fingerprints[id_] in fingerprints:
                self.states[id_] = "CANCELED"
        for id_, fingerprint in zip(ids, fingerprints, strict=True):
            self.states[id_], self.fingerprints[id_] = "RUNNING", fingerprint
            self.events |= {(id_, read, "INPUT", "in", index) for index, read in enumerate(reads)}

    def refusal(self, ids: list[int]) -> tuple[type[MetadataError], int] | None:
        """The error that publishing these is answered with, and the execution that it names."""
        for id_ in ids:
            if self.states.get(id_) != "RUNNING":
                return MetadataError, id_
        first = [self.cache[key] for key in map(self.fingerprints.get, ids) if key is not None and key in self.cache]
        return (AlreadyPublished, min(first)) if first else None

    def publish(self, ids: list[int], made: list[list[tuple[int, str]]]) -> None:
        for id_, outputs in zip(ids, made, strict=True):
            self.states[id_] = "COMPLETE"
            self.artifacts |= dict(outputs)
            self.events |= {(id_, artifact, "OUTPUT", "out", index) for index, (artifact, _) in enumerate(outputs)}
            if (key := self.fingerprints[id_]) is not None:
                self.cache[key] = id_


def recorded(store: MetadataStore, pipeline: str) -> Model:
    """What is in the tables of one pipeline."""
    with store.begun() as connection:

        def rows(query: str) -> list[Any]:
            return list(connection.execute(text(query), {"pipeline": pipeline}))

        executions = rows("SELECT id, state, fingerprint FROM execution WHERE pipeline = :pipeline")
        events = rows(
            "SELECT execution_id, artifact_id, type, key, index FROM event"
            " WHERE execution_id IN (SELECT id FROM execution WHERE pipeline = :pipeline)"
        )
        cache = rows(
            "SELECT fingerprint, execution_id FROM execution_cache"
            " WHERE execution_id IN (SELECT id FROM execution WHERE pipeline = :pipeline)"
        )
        artifacts = rows("SELECT id, uri, state FROM artifact WHERE pipeline = :pipeline")
    assert all(row.state == "LIVE" for row in artifacts)
    return Model(
        states={row.id: row.state for row in executions},
        fingerprints={row.id: row.fingerprint for row in executions},
        events={tuple(row) for row in events},
        cache={row.fingerprint: row.execution_id for row in cache},
        artifacts={row.id: row.uri for row in artifacts},
    )


@dataclass
class Begin:
    fingerprints: list[str | None]


@dataclass
class Publish:
    makes: dict[int, int]
    """How many artifacts each makes, by which of the executions so far it is."""


@dataclass
class Fail:
    which: int


KEYS = st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=4, unique=True)
STEPS = st.lists(
    st.one_of(
        st.builds(Begin, KEYS),
        st.builds(Publish, st.dictionaries(st.integers(0, 8), st.integers(0, 3), min_size=1, max_size=3)),
        st.builds(Fail, st.integers(0, 8)),
    ),
    min_size=3,
    max_size=14,
)
NAMES = itertools.count()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=STEPS)
def test_publishing_does_what_its_rules_say(store: MetadataStore, steps: list[Begin | Publish | Fail]) -> None:
    """Whatever is begun, published and failed in any order, states, events, cache and errors are those of the rules."""
    model, pipeline = Model(), f"p{next(NAMES)}"
    for step in steps:
        ids = sorted(model.states)
        if isinstance(step, Begin):
            keys = [key and f"{pipeline} {key}" for key in step.fingerprints]
            reads = sorted(model.artifacts)[-2:]
            begun = store.begin_many([(new_execution(key, pipeline=pipeline), {"in": reads}) for key in keys])
            assert [one.fingerprint for one in begun] == keys
            model.begin([one.id for one in begun], keys, reads)
        elif ids and isinstance(step, Fail):
            failed = ids[step.which % len(ids)]
            store.fail(failed, "it failed")
            if model.states[failed] == "RUNNING":
                model.states[failed] = "FAILED"
        elif ids and isinstance(step, Publish):
            wanted = {ids[which % len(ids)]: makes for which, makes in step.makes.items()}
            _publish(store, model, wanted, pipeline)
        assert recorded(store, pipeline) == model


def _publish(store: MetadataStore, model: Model, wanted: dict[int, int], pipeline: str) -> None:
    uris = {id_: [f"{id_}/{next(NAMES)}" for _ in range(makes)] for id_, makes in wanted.items()}
    results = [
        Publication(execution_id=id_, outputs={"out": [new_artifact(uri, pipeline=pipeline) for uri in made]})
        for id_, made in uris.items()
    ]
    refusal = model.refusal(list(wanted))
    if refusal is None:
        published = store.publish(results)
        made = [[(one.id, one.uri) for one in outputs["out"]] for outputs in published]
        assert [[uri for _, uri in outputs] for outputs in made] == list(uris.values())
        model.publish(list(wanted), made)
        return
    with pytest.raises(MetadataError) as error:
        store.publish(results)
    assert type(error.value) is refusal[0]
    assert error.value.where == f"execution {refusal[1]}"
