from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count, takewhile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from mlcore.artifacts.store import ArtifactStore
from mlcore.config.retention import Retention
from mlcore.core.types import Artifact, ArtifactState, ArtifactType, NewArtifact, NewExecution
from mlcore.errors import MetadataError, MlcoreError
from mlcore.metadata.removals import find_removals
from mlcore.metadata.store import MetadataStore, Publication
from mlcore.registry.push import promote
from mlcore.registry.records import Candidate
from mlcore.registry.store import Registry
from mlcore.runtime.gc import collect
from mlcore.runtime.retention import expire

FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
NUMBERS = count()
LATER = datetime.now(UTC) + timedelta(days=400)


@pytest.fixture
def store(database_url: str) -> Iterator[MetadataStore]:
    opened = MetadataStore.open(database_url)
    yield opened
    opened.close()


class History:
    """Runs of a pipeline as the launcher records them, with small files; and what each artifact was made from."""

    def __init__(self, store: MetadataStore, folder: Path, pipeline: str) -> None:
        self.store, self.pipeline = store, pipeline
        self.artifacts = ArtifactStore(str(folder / pipeline))
        self.registry = Registry(store)
        self.spans: dict[int, tuple[Artifact, Artifact]] = {}
        self.made_from: dict[int, list[int]] = {}
        self.started_from: dict[int, int] = {}
        self.kept: dict[int, list[int]] = {}

    def make(self, component: str, run: str, inputs: dict[str, list[int]], **outputs: ArtifactType) -> list[Artifact]:
        new = NewExecution(component=component, pipeline=self.pipeline, run=run, fingerprint=None)
        begun = self.store.begin(new, inputs)
        prefix = self.artifacts.fresh(self.pipeline, component, begun.id)
        news: dict[str, list[NewArtifact]] = {}
        for name, type_ in outputs.items():
            folder = self.artifacts.folder(f"{prefix}/{name}")
            (folder / "content").write_text(f"{component} {begun.id} {name}", encoding="utf-8")
            digest = self.artifacts.seal(f"{prefix}/{name}")
            news[name] = [NewArtifact(type=type_, uri=f"{prefix}/{name}", digest=digest, pipeline=self.pipeline)]
        (published,) = self.store.publish([Publication(execution_id=begun.id, outputs=news)])
        made = [artifact for found in published.values() for artifact in found]
        read = [id_ for key, ids in inputs.items() if key not in ("baseline", "champion") for id_ in ids]
        self.made_from |= {artifact.id: read for artifact in made}
        return made

    def span(self, day: int, run: str) -> tuple[Artifact, Artifact]:
        """Examples and Statistics, made once and gathered by every run that uses them."""
        if day not in self.spans or self.state(self.spans[day][0].id) is not ArtifactState.LIVE:
            (examples,) = self.make("ExampleGen", run, {}, spans=ArtifactType.EXAMPLES)
            (statistics,) = self.make("StatisticsGen", run, {"s": [examples.id]}, spans=ArtifactType.STATISTICS)
            self.spans[day] = (examples, statistics)
        return self.spans[day]

    def state(self, id_: int) -> ArtifactState:
        return self.store.artifacts([id_])[0].state

    def run(self, day: int, name: str, *, warm: bool = False) -> None:
        """Three spans to a model, which may go on from the champion; its evaluation beside the champion, and a push."""
        spans = [self.span(number, name) for number in range(day, day + 3)]
        examples, statistics = ([one[index].id for one in spans] for index in (0, 1))
        gathered = NewExecution(component="ExampleGen", pipeline=self.pipeline, run=name, fingerprint=None)
        self.store.record_cached(gathered, {}, {"spans": examples})
        (schema,) = self.make("SchemaGen", name, {"statistics": statistics}, schema=ArtifactType.SCHEMA)
        champion = self.registry.champion(self.pipeline)
        there = champion is not None and self.is_there(champion.artifact_id)
        start = [champion.artifact_id] if champion and warm and there else []
        (model,) = self.make("Trainer", name, {"examples": examples, "champion": start}, model=ArtifactType.MODEL)
        self.started_from |= dict(zip([model.id], start, strict=False))
        inputs = {"model": [model.id], "examples": [examples[-1]]}
        baseline = [champion.artifact_id] if champion else []
        evaluation, blessing = self.make(
            "Evaluator",
            name,
            {**inputs, "baseline": baseline},
            evaluation=ArtifactType.EVALUATION,
            blessing=ArtifactType.BLESSING,
        )
        (push,) = self.make(
            "Pusher", name, {"model": [model.id], "blessing": [blessing.id]}, push=ArtifactType.PUSHED_MODEL
        )
        end = FIRST_DAY + timedelta(days=day + 3)
        candidate = Candidate(
            pipeline=self.pipeline, artifact_id=model.id, evaluation_id=evaluation.id, schema_id=schema.id,
            digest=model.digest, train_start=end - timedelta(days=3), train_end=end, window_end=end, run=name,
            reason="",
            needs_approval=day % 5 == 4,
        )  # fmt: skip
        with self.store.begun() as connection:
            version = promote(connection, candidate).version
        self.kept[version] = [model.id, evaluation.id, schema.id, push.id, blessing.id]

    def is_there(self, id_: int) -> bool:
        return self.state(id_) is ArtifactState.LIVE

    def act(self, kind: str, number: int) -> None:
        """Something that a person does; what is refused is refused."""
        acts = {
            "rollback": lambda: self.registry.rollback(self.pipeline, actor="a", reason=""),
            "promote": lambda: self.registry.promote(self.pipeline, number, actor="a", reason=""),
            "pin": lambda: self.registry.pin(self.pipeline, actor="a", reason=""),
            "unpin": lambda: self.registry.unpin(self.pipeline, actor="a", reason=""),
            "alias": lambda: self.registry.set_alias(self.pipeline, f"mine{number % 2}", number, actor="a", reason=""),
            "remove": lambda: self.registry.remove_alias(self.pipeline, f"mine{number % 2}", actor="a", reason=""),
            "die": self.die,
            "gc": lambda: self.gc(Retention(keep_runs=number, keep_champions=1, keep_ancestors=number % 3)),
        }
        with suppress(MlcoreError):
            acts[kind]()

    def die(self) -> None:
        """A run that is killed with its files written."""
        new = NewExecution(component="Trainer", pipeline=self.pipeline, run="dies", fingerprint=None)
        prefix = self.artifacts.fresh(self.pipeline, "Trainer", self.store.begin(new, {}).id)
        (self.artifacts.folder(f"{prefix}/model") / "half").write_text("half", encoding="utf-8")

    def gc(self, policy: Retention) -> None:
        expire(self.artifacts, self.store, self.pipeline, policy, dry_run=False, now=LATER)

    def needed(self, keep_champions: int, keep_ancestors: int) -> set[int]:
        """By hand: everything that the versions somebody may still ask for were made from, and those they started from.

        Of so many generations, as far as they are there: the oldest is taken as it is.
        """
        versions = {*self.registry.aliases(self.pipeline).values(), *self.chain(keep_champions)}
        pin = self.registry.pinned(self.pipeline)
        versions |= {one.version for one in self.registry.pending(self.pipeline)} | ({pin.version} if pin else set())
        found: set[int] = set()
        todo = {id_ for version in versions & self.whole() for id_ in self.kept[version]}
        for generation in range(keep_ancestors + 1):
            found |= todo
            if generation and generation == keep_ancestors:
                break
            whole = self.upstream(todo)
            found |= whole
            todo = {self.started_from[id_] for id_ in whole if id_ in self.started_from}
            todo = {id_ for id_ in todo if self.is_there(id_)} if keep_ancestors else set()
        return {id_ for id_ in found if self.is_there(id_)}

    def upstream(self, ids: set[int]) -> set[int]:
        """These and everything that they were made from, but what a model started from."""
        todo, found = list(ids), set()
        while todo:
            id_ = todo.pop()
            if id_ not in found:
                found.add(id_)
                todo += self.made_from[id_]
        return found

    def whole(self) -> set[int]:
        """The versions that no gc took before they were needed (again)."""
        return {number for number, ids in self.kept.items() if self.is_there(ids[0])}

    def chain(self, keep_champions: int) -> list[int]:
        from mlcore.registry.rows import champion_reign

        with self.store.begun() as connection:
            return list(champion_reign(connection, self.pipeline).champions[-1 - keep_champions :])


ACTS = ["rollback", "promote", "pin", "unpin", "alias", "remove", "die", "gc"]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["run", "warm"]), st.integers(0, 9)),
        st.tuples(st.sampled_from(ACTS), st.integers(1, 5)),
    ),
    min_size=2,
    max_size=12,
)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=STEPS, keep_runs=st.integers(1, 3), keep_champions=st.integers(1, 3), keep_ancestors=st.integers(0, 3))
def test_gc_keeps_what_is_needed_and_leaves_no_orphan(
    store: MetadataStore,
    tmp_path: Path,
    steps: list[tuple[str, int]],
    keep_runs: int,
    keep_champions: int,
    keep_ancestors: int,
) -> None:
    """After any history: all that is needed is whole, all that is published has its files, no other folder is left,

    what was removed is recorded as DELETED with its digest, when and by which policy, the chain can be rolled back, and
    a second gc does nothing.
    """
    history = History(store, tmp_path, f"p{next(NUMBERS)}")
    for index, (kind, number) in enumerate(steps):
        if kind in ("run", "warm"):
            history.run(number, f"run {index}", warm=kind == "warm")
        else:
            history.act(kind, number)
    policy = Retention(keep_runs=keep_runs, keep_champions=keep_champions, keep_ancestors=keep_ancestors)
    given = (history.artifacts, store, history.pipeline, policy)
    before, whole = set(history.artifacts.prefixes()), history.whole()
    needed = history.needed(keep_champions, keep_ancestors)
    planned = expire(*given, dry_run=True, now=LATER)
    assert set(history.artifacts.prefixes()) == before
    assert expire(*given, dry_run=False, now=LATER) == planned
    with store.begun() as connection:  # others' dead executions are closed by their age
        connection.execute(text("UPDATE execution SET state = 'CANCELED', finished_at = now() WHERE state = 'RUNNING'"))
    collect(history.artifacts, store, dry_run=False, min_age_seconds=0)
    for artifact in store.artifacts(sorted(needed)):
        assert artifact.state is ArtifactState.LIVE, (artifact, steps)
    folders = set()
    with store.begun() as connection:
        removals = find_removals(connection, sorted(history.made_from))
    for artifact in store.artifacts(sorted(history.made_from)):
        assert artifact.digest.startswith("sha256:")
        if artifact.state is ArtifactState.LIVE:
            history.artifacts.verify(artifact, deep=True)
            folders.add(artifact.uri.rsplit("/", 1)[0])
        else:
            assert artifact.state is ArtifactState.DELETED
            assert not history.artifacts.path(artifact.uri).exists()
            assert "keep_ancestors" in removals.pop(artifact.id).reason
    assert removals == {}
    assert set(history.artifacts.prefixes()) == folders
    assert expire(*given, dry_run=False, now=LATER) == ()
    pinned = history.registry.pinned(history.pipeline)
    chain = takewhile(whole.__contains__, reversed(history.chain(keep_champions)[:-1]))
    for version in [] if pinned else list(chain):
        assert history.registry.rollback(history.pipeline, actor="a", reason="")[1].version == version


def test_what_is_recent_is_kept_whatever_else_is_said(store: MetadataStore, tmp_path: Path) -> None:
    """By age, by count, and by a run that is under way: any one of them keeps an output that nothing needs."""
    history = History(store, tmp_path, "p")
    for day in range(4):
        history.run(day, f"run {day}")
    given = (history.artifacts, store, "p")
    assert expire(*given, Retention(keep_runs=1, keep_champions=1), dry_run=True) == ()
    assert expire(*given, Retention(keep_runs=4, keep_champions=1), dry_run=True, now=LATER) == ()
    gone = {one.uri for one in expire(*given, Retention(keep_runs=1, keep_champions=1), dry_run=True, now=LATER)}
    assert gone
    begun = store.begin(NewExecution(component="Trainer", pipeline="p", run="run 0", fingerprint=None), {})
    less = {one.uri for one in expire(*given, Retention(keep_runs=1, keep_champions=1), dry_run=True, now=LATER)}
    assert less < gone
    store.fail(begun.id, "over")
    assert {one.uri for one in expire(*given, Retention(keep_runs=1), dry_run=True, now=LATER)} <= gone


def test_predictions_of_a_file_take_no_place_of_a_run_that_predicts(store: MetadataStore, tmp_path: Path) -> None:
    """Of each kind of run the newest are kept: neither ``mlcore predict`` nor an import counts among the others."""
    history = History(store, tmp_path, "p")
    history.run(0, "trained")
    (kept,) = history.make("BulkInferrer", "scheduled", {}, spans=ArtifactType.PREDICTIONS)
    for number in range(3):
        for component in ("OneShotInferrer", "ModelImporter"):
            history.make(component, f"{component} {number}", {}, made=ArtifactType.PREDICTIONS)
    policy = Retention(keep_runs=1, keep_champions=1)
    gone = {one.uri for one in expire(history.artifacts, store, "p", policy, dry_run=True, now=LATER)}
    assert len(gone) == 4
    assert kept.uri.rsplit("/", 1)[0] not in gone
    assert not any("Trainer" in uri for uri in gone)


def test_of_a_comparison_the_version_keeps_its_own_predictions_only(store: MetadataStore, tmp_path: Path) -> None:
    """What a challenger predicted is evidence for the version; what it was compared with is needed no longer."""
    history = History(store, tmp_path, "p")
    for day in (0, 3):
        history.run(day, f"run {day}")
    champion, challenger = (history.kept[version][0] for version in (1, 2))
    (theirs,) = history.make("BulkInferrer", "i", {"model": [champion]}, spans=ArtifactType.PREDICTIONS)
    (own,) = history.make("ChallengerInferrer", "i", {"model": [challenger]}, spans=ArtifactType.CHALLENGER_PREDICTIONS)
    compared = {
        "model": [challenger],
        "champion": [champion],
        "challenger_predictions": [own.id],
        "champion_predictions": [theirs.id],
    }
    (challenge,) = history.make("ChallengerEvaluator", "m", compared, challenge=ArtifactType.CHALLENGE)
    history.make("DriftMonitor", "m", {}, report=ArtifactType.DRIFT_REPORT)
    history.make("BulkInferrer", "newer i", {}, spans=ArtifactType.PREDICTIONS)
    history.make("DriftMonitor", "newer m", {}, report=ArtifactType.DRIFT_REPORT)
    policy = Retention(keep_runs=1, keep_champions=1)
    gone = {one.uri for one in expire(history.artifacts, store, "p", policy, dry_run=True, now=LATER)}
    there = [one.uri.rsplit("/", 1)[0] not in gone for one in (challenge, own, theirs)]
    assert there == [True, True, False]


def test_as_many_generations_are_kept_as_are_asked_for(store: MetadataStore, tmp_path: Path) -> None:
    """Four models, each started from the one before; the last two are the champion and where a rollback goes.

    Of what those started from the oldest generation is kept as it is, the others with what they were made from.
    """
    history = History(store, tmp_path, "p")
    for day in (0, 3, 6, 10):
        history.run(day, f"run {day}", warm=True)
    models = [history.kept[version][0] for version in range(1, 5)]
    examples = [history.spans[day][0].id for day in (0, 3, 6)]
    assert [history.started_from.get(id_) for id_ in models] == [None, *models[:3]]

    def gone(keep_ancestors: int) -> list[bool]:
        policy = Retention(keep_runs=1, keep_champions=1, keep_ancestors=keep_ancestors)
        garbage = expire(history.artifacts, store, "p", policy, dry_run=True, now=LATER)
        removed = {one.uri for one in garbage}
        found = store.artifacts([*models[:3], *examples])
        uris = {artifact.id: artifact.uri.rsplit("/", 1)[0] for artifact in found}
        return [uris[id_] in removed for id_ in (*models[:3], *examples)]

    assert gone(0) == [True, True, False, True, True, False]
    assert gone(1) == [True, False, False, True, True, False]
    assert gone(2) == [False, False, False, True, False, False]
    assert gone(3) == [False] * 6


def test_what_was_removed_cannot_be_reused(store: MetadataStore, tmp_path: Path) -> None:
    """A run that found an earlier output just before it was removed is told so, and records nothing."""
    history = History(store, tmp_path, "p")
    for day in (0, 5, 6):
        history.run(day, f"run {day}")
    found = history.spans[0][0]
    history.gc(Retention(keep_runs=1, keep_champions=1))
    history.registry.rollback("p", actor="a", reason="")
    history.gc(Retention(keep_runs=1, keep_champions=1))
    assert history.state(found.id) is ArtifactState.DELETED
    new = NewExecution(component="ExampleGen", pipeline="p", run="late", fingerprint=None)
    with pytest.raises(MetadataError, match="was removed while it was to be reused"):
        store.record_cached(new, {}, {"spans": [found.id]})
    assert store.executions("p", "late") == ()
