"""What a person should know of a model before saying yes or no, in Markdown and plain words."""

from __future__ import annotations

from collections.abc import Iterator

from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import Artifact
from mlcore.evaluation.files import Judgement, read_judgement
from mlcore.evaluation.metrics import find_metric
from mlcore.evaluation.values import MetricValue
from mlcore.registry.records import ModelVersion
from mlcore.runtime.kept import kept_folder
from mlcore.runtime.session import Session

_REASONS = 30
_LONGEST = 300


def in_words(session: Session, config: PipelineConfig, model: Artifact, evaluation: Artifact) -> str:
    """The model, its metrics beside the champion's, what each gate said, and what yes and no mean.

    Names and values from data are escaped: the page shows them as they are written.
    """
    judgement = read_judgement(kept_folder(session, evaluation))
    champion = session.registry.champion(config.name)
    lines = [
        f"A new model of **{plain(config.name)}** passed every gate and asks to become the champion.",
        "",
        f"- trained on {_day(model, 'train_start')} to {_day(model, 'train_end')}, {model.properties.get('rows')} rows",
        f"- evaluated on {evaluation.properties.get('rows')} rows, {_day(evaluation, 'start')} to"
        f" {_day(evaluation, 'end')}",
        f"- {_champion(champion)}",
        f"- model digest `{model.digest}`",
        "",
        *_metrics(judgement),
        "",
        "**What the gates said**",
        "",
        *_reasons(judgement),
        "",
        "**Approve**: it becomes the champion. **Reject**, or no answer in time: the champion stays; who answered, when"
        " and why is kept in the history.",
    ]
    return "\n".join(lines)


def _day(artifact: Artifact, name: str) -> str:
    return plain(str(artifact.properties.get(name, "unknown"))[:10])


def _champion(champion: ModelVersion | None) -> str:
    if champion is None:
        return "there is no champion yet: it was compared with a prediction that is the same for every row"
    return f"the champion is version {champion.version}, trained up to {champion.train_end:%Y-%m-%d}"


def _metrics(judgement: Judgement) -> Iterator[str]:
    other = judgement.comparison or judgement.dummy
    beside = "than the champion" if judgement.comparison else "than a constant prediction"
    yield f"| metric | value | {beside} |"
    yield "|---|---|---|"
    for name, value in judgement.evaluation.overall.metrics.items():
        difference = other.overall.metrics.get(name) if other is not None else None
        yield f"| {plain(name)} | {value} | {'' if difference is None else _better(name, difference)} |"


def _better(name: str, difference: MetricValue) -> str:
    """A difference and its interval as better, worse, or not told apart."""
    higher = find_metric(name).higher_is_better
    if difference.lower <= 0 <= difference.upper:
        return f"no clear difference: {difference}"
    if higher is None:
        return f"{'higher' if difference.value > 0 else 'lower'} by {difference}"
    return f"{'better' if (difference.value > 0) is higher else 'worse'}: {difference}"


def _reasons(judgement: Judgement) -> Iterator[str]:
    reasons = judgement.verdict.reasons if judgement.verdict else ()
    for reason in reasons[:_REASONS] or ("there are no criteria",):
        yield f"- {plain(reason[:_LONGEST])}"
    if len(reasons) > _REASONS:
        yield f"- and {len(reasons) - _REASONS} more: see mlcore evaluate show"


def plain(text: str) -> str:
    """One line that Markdown shows as it is written."""
    line = " ".join(text.split())
    return "".join(f"\\{character}" if character in "\\`*_[]<>#|!~" else character for character in line)
