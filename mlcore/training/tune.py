"""The hyperparameters that do best on spans which come after those the model was fitted on.

The payload of a HyperParameters artifact:

    hyper_parameters/
    └── hyper_parameters.json    the best parameters, and every trial with its value on each fold
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from mlcore.core.digests import canonical_json, digest_json
from mlcore.core.payloads import read_payload
from mlcore.core.types import Json
from mlcore.errors import ArtifactCorrupt, ModelError, quoted
from mlcore.training.estimators import resolve_estimator, with_categories
from mlcore.training.fit import Rows, fit_estimator
from mlcore.training.losses import Objective

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

FILE_NAME = "hyper_parameters.json"
SEED = 0
State: TypeAlias = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Between:
    """A range to search: whole numbers where ``low``, ``high`` and ``step`` are."""

    low: float
    high: float
    log: bool = False
    step: float | None = None


Space: TypeAlias = Mapping[str, "Between | tuple[Json, ...]"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fold:
    """Rows to fit on, and later ones to judge by; ``mask`` tells which features are categories."""

    fitted: Rows
    judged: Rows
    mask: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialResult:
    """What became of some parameters.

    Attributes:
        params: Those that were searched for.
        values: The objective on each fold, in time order; fewer where the trial was pruned or failed.
        value: Their mean, of a complete trial.
        reason: Why it failed.
    """

    number: int
    params: Mapping[str, Json]
    state: State
    values: tuple[float, ...]
    value: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tuned:
    """The best parameters, and how they were found."""

    objective: str
    params: Mapping[str, Json]
    value: float
    trials: tuple[TrialResult, ...]

    def to_json(self) -> bytes:
        """Canonical: equal searches have equal bytes."""
        document = asdict(self)
        return canonical_json({**document, "trials": [{**asdict(t), "values": list(t.values)} for t in self.trials]})

    @classmethod
    def from_json(cls, data: bytes) -> Tuned:
        """Parse what :meth:`to_json` wrote.

        Raises:
            ArtifactCorrupt: It is something else.
        """
        try:
            document = json.loads(data)
            trials = tuple(TrialResult(**{**trial, "values": tuple(trial["values"])}) for trial in document["trials"])
            return cls(**{**document, "trials": trials})
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactCorrupt(
                f"hyperparameters cannot be read: {quoted(str(error))}", next_step="run the pipeline again"
            ) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """What is searched, and for how long.

    Attributes:
        estimator: Import path of the estimator.
        params: Those that are not searched for.
        trials: How many parameters are tried.
        seconds: No trial starts after so long; ``None`` for no limit, which alone makes the search repeatable.
        parallel: Trials at once. They are asked for and told in batches of so many, so that the order in which they
            end is of no account.
    """

    estimator: str
    params: Mapping[str, Json]
    space: Space
    objective: Objective
    trials: int
    seconds: float | None = None
    parallel: int = 1


@dataclass(slots=True)
class Memo:
    """Values of folds that an earlier attempt found, kept in a file: a search that was killed goes on from there."""

    path: Path | None = None
    _found: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path is None or not self.path.exists():
            return
        text = self.path.read_text(encoding="utf-8")
        if text and not text.endswith("\n"):
            self._append("\n")
        for line in text.splitlines():
            try:
                key, value = json.loads(line)
            except ValueError:  # the line that was being written when the process was killed
                continue
            self._found[str(key)] = float(value)

    def of(self, key: str, make: Callable[[], float]) -> float:
        """The value of a key, made now if it is not known."""
        if key not in self._found:
            self._found[key] = make()
            self._append(json.dumps([key, self._found[key]]) + "\n")
        return self._found[key]

    def _append(self, text: str) -> None:
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(text)


def tune(search: Search, folds: Sequence[Fold], memo: Memo | None = None) -> Tuned:
    """Search with Optuna's TPE (Bergstra et al., 2011), pruning what is worse than the median after each fold.

    Raises:
        ModelError: The estimator or a parameter is unknown, or no trial was completed.
    """
    resolve_estimator(search.estimator, {**search.params, **_first(search.space)})
    study, results = _study(search), list[TrialResult]()
    kept, started = memo or Memo(), time.monotonic()
    while len(results) < search.trials and not _is_over(search, started):
        count = min(search.parallel, search.trials - len(results))
        asked = [study.ask(_distributions(search.space)) for _ in range(count)]
        with ThreadPoolExecutor(count) as pool:
            done = list(pool.map(lambda trial: _tried(trial, search, folds, kept), asked))
        for trial, result in zip(asked, done, strict=True):
            _tell(study, trial, result)
        results += done
    return _best(search, results)


def _is_over(search: Search, started: float) -> bool:
    return search.seconds is not None and time.monotonic() - started > search.seconds


def _study(search: Search) -> Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=SEED),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
        direction="maximize" if search.objective.greater_is_better else "minimize",
    )


def _distributions(space: Space) -> dict[str, BaseDistribution]:
    return {name: _distribution(one) for name, one in sorted(space.items())}


def _distribution(space: Between | tuple[Json, ...]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(space, tuple):  # by position: a choice may be a list
        return CategoricalDistribution(tuple(range(len(space))))
    if all(isinstance(value, int) for value in (space.low, space.high, space.step or 1)):
        return IntDistribution(int(space.low), int(space.high), log=space.log, step=int(space.step or 1))
    return FloatDistribution(space.low, space.high, log=space.log, step=space.step)


def _first(space: Space) -> dict[str, Json]:
    """Parameters of the space, to check their names by."""
    return {name: one[0] if isinstance(one, tuple) else one.low for name, one in space.items()}


def _tried(trial: Trial, search: Search, folds: Sequence[Fold], memo: Memo) -> TrialResult:
    asked = {name: one[trial.params[name]] if isinstance(one, tuple) else trial.params[name] for name, one in
             search.space.items()}  # fmt: skip
    values: list[float] = []
    try:
        for index, fold in enumerate(folds):
            key = digest_json([asked, index])
            values.append(memo.of(key, lambda fold=fold: _judged(search, asked, fold)))  # type: ignore[misc]
            trial.report(values[-1], index)
            if index + 1 < len(folds) and trial.should_prune():
                return TrialResult(number=trial.number, params=asked, state="pruned", values=tuple(values))
    except ModelError as error:
        return TrialResult(number=trial.number, params=asked, state="failed", values=tuple(values), reason=error.what)
    mean = float(np.mean(values))
    return TrialResult(number=trial.number, params=asked, state="complete", values=tuple(values), value=mean)


def _judged(search: Search, asked: Mapping[str, Json], fold: Fold) -> float:
    params = {**search.params, **asked}
    model = with_categories(resolve_estimator(search.estimator, params), params, fold.mask)
    fit_estimator(model, fold.fitted)
    return search.objective.of(model, fold.judged)


def _tell(study: Study, trial: Trial, result: TrialResult) -> None:
    from optuna.trial import TrialState

    if result.state == "complete":
        study.tell(trial, result.value)
    else:
        study.tell(trial, state=TrialState.PRUNED if result.state == "pruned" else TrialState.FAIL)


def _best(search: Search, results: Sequence[TrialResult]) -> Tuned:
    complete = [(result.value, result) for result in results if result.value is not None]
    if not complete:
        reasons = [result.reason for result in results if result.reason]
        raise ModelError(
            f"none of {len(results)} trials was completed" + (f": {reasons[0]}" if reasons else ""),
            where="model.tune",
            next_step="correct model.tune.search, or allow more time by model.tune.max_duration",
        )
    sign = -1.0 if search.objective.greater_is_better else 1.0
    value, best = min(complete, key=lambda found: (sign * found[0], found[1].number))
    return Tuned(objective=search.objective.name, params=best.params, value=value, trials=tuple(results))


def folds_of(spans: int, folds: int, embargo: int) -> tuple[tuple[range, range], ...]:
    """Which spans each fold is fitted on and judged by: the window grows, and what is judged comes after it.

    Args:
        spans: How many there are, in time order.
        folds: How many folds.
        embargo: How many spans before the judged ones are not fitted on: their labels were not known then.

    Raises:
        ModelError: There are too few spans.

    >>> folds_of(10, 2, 1)
    ((range(0, 3), range(4, 7)), (range(0, 6), range(7, 10)))
    """
    size = spans // (folds + 1)
    starts = [spans - size * (folds - index) for index in range(folds)]
    if size < 1 or starts[0] - embargo < 1:
        raise ModelError(
            f"{spans} spans are too few for {folds} folds with {embargo} spans of embargo",
            where="model.tune.folds",
            next_step="choose fewer folds, a shorter embargo or a longer window.train",
        )
    return tuple((range(start - embargo), range(start, start + size)) for start in starts)


def write_tuned(folder: Path, tuned: Tuned) -> None:
    """Write ``hyper_parameters.json`` into a folder that exists."""
    (folder / FILE_NAME).write_bytes(tuned.to_json())


def read_tuned(folder: Path) -> Tuned:
    """The hyperparameters of a folder.

    Raises:
        ArtifactMissing: The file is not there.
        ArtifactCorrupt: It is something else.
    """
    return Tuned.from_json(read_payload(folder / FILE_NAME, "the hyperparameters"))
