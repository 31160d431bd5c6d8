"""What stands in a model card, in order, as plain values: the two writers only give it a form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlcore.evaluation.files import Judgement
from mlcore.evaluation.selection import CandidateResult
from mlcore.evaluation.values import SliceResult, Slices, slice_name

SHOWN_SLICES = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """The model a card is of.

    Attributes:
        facts: What there is to know in one line each, such as the windows and the digests.
        features: What each is, by name.
    """

    title: str
    description: str
    facts: Mapping[str, str]
    features: Mapping[str, str]
    judgement: Judgement


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows of texts; the first row is the heading."""

    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A heading and what is under it: paragraphs, tables, and the names of charts."""

    heading: str
    parts: tuple[str | Table, ...]
    charts: tuple[str, ...] = ()


def sections(subject: Subject) -> tuple[Section, ...]:
    """The card."""
    judgement = subject.judgement
    found = [
        Section(heading="Model", parts=(subject.description, _pairs(subject.facts))),
        Section(heading="Verdict", parts=_verdict(judgement)),
        Section(heading="Candidates", parts=tuple(_candidates(judgement))),
        Section(heading="Metrics", parts=tuple(_metrics(judgement))),
        Section(heading="Calibration", parts=(_calibration(judgement),), charts=("calibration", "precision_recall")),
        Section(heading="Slices", parts=tuple(_slices(judgement.evaluation))),
        Section(heading="Fairness", parts=tuple(_fairness(judgement))),
        Section(heading="Features", parts=tuple(_features(subject)), charts=("importance",)),
        Section(heading="Limits", parts=tuple(_limits(judgement))),
    ]
    if judgement.curves is None or not judgement.curves.calibration:
        found = [section for section in found if section.heading != "Calibration"]
    return tuple(section for section in found if section.parts)


def _pairs(pairs: Mapping[str, str], heading: tuple[str, str] = ("what", "value")) -> Table:
    return Table(rows=(heading, *pairs.items()))


def _verdict(judgement: Judgement) -> tuple[str | Table, ...]:
    verdict = judgement.verdict
    if verdict is None:
        return ()
    rows = tuple((finding.outcome.value, finding.text) for finding in verdict.findings)
    told = Table(rows=(("outcome", "criterion"), *(rows or tuple(("", reason) for reason in verdict.reasons))))
    return ("Blessed." if verdict.blessed else "Not blessed.", told)


def _candidates(judgement: Judgement) -> Iterator[str | Table]:
    told = judgement.candidates
    if told is None:
        return
    yield f"{told.choice.reason}."
    yield "On those rows, each fitted on the training rows before them:"
    yield _candidate_table(told.choice.candidates, told.choice.metric)
    yield "On the evaluation rows, each fitted on all training rows; this decided nothing:"
    yield _candidate_table(told.evaluated, told.choice.metric)


def _candidate_table(candidates: Sequence[CandidateResult], decided: str) -> Table:
    names = tuple(dict.fromkeys(name for each in candidates for name in (*each.metrics.metrics, *each.metrics.missing)))
    rows = [
        (
            each.name,
            *(_cell(each.metrics, name, "unknown") for name in names),
            "chosen" if each.difference is None else _cell(each.difference, decided, "unknown"),
        )
        for each in candidates
    ]
    return Table(rows=(("candidate", *names, f"difference in {decided}"), *rows))


def _metrics(judgement: Judgement) -> Iterator[str | Table]:
    overall = judgement.evaluation.overall
    yield f"On {overall.rows:,} rows; between brackets the {judgement.evaluation.confidence:.0%} interval."
    yield _metric_table(overall)
    for what, differences in (("the champion", judgement.comparison), ("a constant prediction", judgement.dummy)):
        if differences is not None:
            yield f"Difference from {what} on the same rows."
            yield _metric_table(differences.overall)


def _metric_table(result: SliceResult) -> Table:
    known = ((name, str(value)) for name, value in result.metrics.items())
    unknown = ((name, reason) for name, reason in result.missing.items())
    return Table(rows=(("metric", "value"), *known, *unknown))


def _slices(evaluation: Slices) -> Iterator[str | Table]:
    results = evaluation.results[1:]
    if not results:
        return
    names = tuple(dict.fromkeys(name for result in results for name in (*result.metrics, *result.missing)))
    rows = [
        (slice_name(result.key), f"{result.rows:,}", *(_cell(result, name) for name in names))
        for result in results[:SHOWN_SLICES]
    ]
    yield Table(rows=(("slice", "rows", *names), *rows))
    if len(results) > SHOWN_SLICES:
        yield f"{len(results) - SHOWN_SLICES} more slices are in evaluation.json."


def _cell(result: SliceResult, name: str, otherwise: str = "too little data") -> str:
    return str(result.metrics[name]) if name in result.metrics else otherwise


def _calibration(judgement: Judgement) -> Table:
    bins = () if judgement.curves is None else judgement.curves.calibration
    rows = [
        (f"{each.score:.3f}", f"{each.rate:.3f} [{each.lower:.3f}, {each.upper:.3f}]", f"{each.rows:,}")
        for each in bins
    ]
    return Table(rows=(("mean probability", "share that is positive", "rows"), *rows))


def _fairness(judgement: Judgement) -> Iterator[str | Table]:
    if judgement.gaps:
        rows = [
            (gap.column, gap.notion.replace("_", " "), gap.rate, f"{gap.more} over {gap.less}", str(gap.value))
            for gap in judgement.gaps
        ]
        yield Table(rows=(("column", "notion", "rate", "groups that differ most", "gap"), *rows))


def _features(subject: Subject) -> Iterator[str | Table]:
    found = subject.judgement.importances
    if found is None:
        yield _pairs(subject.features, ("feature", "what it is"))
        return
    yield (
        f"How much worse {found.metric} is when a feature's values are those of other rows: the mean of "
        f"{found.repeats} permutations of {found.rows:,} rows. Below 0 is chance; of features that say the same each "
        "alone seems to be worth little."
    )
    names = dict.fromkeys([*(each.name for each in found.features), *subject.features])
    worth = {each.name: str(each.value) for each in found.features}
    rows = [(name, worth.get(name, ""), subject.features.get(name, "")) for name in names]
    yield Table(rows=(("feature", f"{found.metric} worse by", "what it is"), *rows))
    if found.shared:
        yield "Features that read the same column, permuted together."
        together = [(each.name, str(each.value), ", ".join(each.features)) for each in found.shared]
        yield Table(rows=(("column", f"{found.metric} worse by", "features"), *together))
    if found.warning is not None:
        yield f"Warning: {found.warning}."


def _limits(judgement: Judgement) -> Iterator[str]:
    overall, results = judgement.evaluation.overall, judgement.evaluation.results[1:]
    clusters = next((value.clusters for value in overall.metrics.values() if value.clusters), None)
    if clusters is None:
        yield "Intervals take every row as independent of the others."
    else:
        yield f"Intervals rest on {clusters} groups of rows, such as days; what no group has seen is in none of them."
    small = sum(1 for result in results if not result.metrics)
    if small:
        yield f"{small} of {len(results)} slices have too little data to say anything of them."
    yield "The model was judged on the rows of its evaluation window alone: other seasons and changes may differ."
