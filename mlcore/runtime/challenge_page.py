"""A challenge as HTML: no script, no address, and whatever comes from people or data escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape

from mlcore.core.window import iso
from mlcore.evaluation.challenge_file import Difference
from mlcore.runtime.challenges import ChallengeReport, Ended, LookReport, NextLook, facts, verdict_in_words

_WIDTH, _HEIGHT, _LEFT, _TOP = 560, 170, 70, 14
_SHOWN_LOOKS = 60
_LABELS = 7
_BLUE = "#2a6fdb"


def content(report: ChallengeReport) -> str:
    """What stands on the page below its heading."""
    return "\n".join(_content(report))


def title(report: ChallengeReport) -> str:
    """Its heading."""
    return f"Challenge of {report.pipeline}"


def _content(report: ChallengeReport) -> Iterator[str]:
    challenge = report.challenge
    if challenge is None:
        yield f'<p class="hint">Nobody challenges the champion of {escape(report.pipeline)}.'
        if report.rollout is None:
            yield " With push.rollout in the pipeline's file, a model that passed every gate does so first."
        yield "</p>"
    else:
        who = f"Version {challenge.challenger.version} challenges champion {challenge.champion.version}"
        yield f'<p><span class="verdict">{who}</span>: {escape(report.state)}</p>'
        yield _table(("what", "value"), facts(report).items())
    if report.following is not None:
        yield "<h2>The next look</h2>"
        yield _following(report.following)
    if report.looks:
        yield "<h2>Looks</h2>"
        yield from _charts(report.looks)
        yield _looks(report.looks)
    if report.ended:
        yield "<h2>Earlier challenges</h2>"
        yield _ended(report.ended)


def _following(following: NextLook) -> str:
    rows = {
        "sees labels up to": f"{_moment(following.until)}, in a monitoring as of {_moment(following.as_of)} or later",
        "may spend": f"{following.share:.2%} of the chance of error",
        "cannot decide yet": "; ".join(following.missing),
        "needs": "; ".join(
            f"all of the {100 * confidence:.4g}% interval of {metric} on the safe side"
            for metric, confidence in following.confidences.items()
            if not following.missing
        ),
        "if it proves nothing": "the challenger is refused: its time is over"
        if following.last
        else "the next one looks",
    }
    return _table(("what", "value"), ((name, value) for name, value in rows.items() if value))


def _looks(looks: Sequence[LookReport]) -> str:
    metrics = _metrics(looks)
    heading = ("look", "labels up to", "rows", "as predicted", "spent", *metrics, "verdict", "why")
    return _table(heading, (_look(one, metrics) for one in looks))


def _look(one: LookReport, metrics: Sequence[str]) -> tuple[str, ...]:
    look, found = one.look, {difference.metric: difference for difference in one.differences}
    differences = (_in_words(found[name]) if name in found else "" for name in metrics)
    return (
        str(look.look), _moment(look.until), f"{look.rows:,}", f"{one.predicted:,}", f"{look.spent:.1%}", *differences,
        look.verdict.value, look.reason,
    )  # fmt: skip


def _in_words(found: Difference) -> str:
    side = "above" if found.higher else "below"
    return f"{found} ({found.confidence:.2%}), to be {side} {found.bound:+.4g}"


def _ended(ended: Sequence[Ended]) -> str:
    heading = ("challenger", "champion", "looks", "labels up to", "rows", "what became of it", "why")
    rows = (
        (
            str(one.last.challenger), str(one.last.champion), str(one.looks), _moment(one.last.until),
            f"{one.last.rows:,}", verdict_in_words(one.last.verdict), one.last.reason,
        )
        for one in ended
    )  # fmt: skip
    return _table(heading, rows)


def _moment(moment: datetime) -> str:
    """A day by its name alone."""
    return iso(moment).removesuffix("T00:00:00Z")


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heading)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'


def _metrics(looks: Sequence[LookReport]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found.metric for one in looks for found in one.differences))


def _charts(looks: Sequence[LookReport]) -> Iterator[str]:
    """A picture a metric: the difference at each look with its interval, and the line it must be on one side of."""
    for metric in _metrics(looks):
        shown = [(one, found) for one in looks for found in one.differences if found.metric == metric]
        yield _chart(metric, shown[-_SHOWN_LOOKS:])


def _chart(metric: str, shown: Sequence[tuple[LookReport, Difference]]) -> str:
    numbers = [0.0, *(number for _, found in shown for number in (found.lower, found.upper, found.bound))]
    least, most = min(numbers), max(numbers)
    least, most = (least, most) if most > least else (least - 1.0, most + 1.0)
    step = (_WIDTH - _LEFT - 20) / len(shown)

    def across(place: int) -> float:
        return round(_LEFT + (place + 0.5) * step, 1)

    def down(value: float) -> float:
        return round(_TOP + (most - value) / (most - least) * _HEIGHT, 1)

    bound = shown[-1][1].bound
    drawn = [_line(_LEFT, down(0.0), _WIDTH - 20, down(0.0), 'stroke="#888"')]
    drawn.append(_line(_LEFT, down(bound), _WIDTH - 20, down(bound), 'stroke="#888" stroke-dasharray="4"'))
    labels = [bound]
    for value in (least, most, 0.0):
        if all(abs(down(value) - down(other)) > 12 for other in labels):
            labels.append(value)
    drawn += [_text(_LEFT - 8, down(value) + 4, f"{value + 0.0:+.3g}", "end") for value in labels]
    every = -(-len(shown) // _LABELS)
    for place, (one, found) in enumerate(shown):
        x = across(place)
        color = f'stroke="{_BLUE}" stroke-width="{3 if found.holds else 1.5}"'
        drawn.append(_line(x, down(found.upper), x, down(found.lower), color))
        drawn.append(f'<circle cx="{x}" cy="{down(found.value)}" r="4" fill="{_BLUE}"/>')
        if place % every == 0:
            drawn.append(_text(x, _TOP + _HEIGHT + 18, f"{one.look.until:%Y-%m-%d}", "middle"))
    label = escape(f"{metric}: challenger less champion")
    side = "above" if shown[-1][1].higher else "below"
    height = _TOP + _HEIGHT + 26
    return (
        f"<figure><figcaption>{label}; the whole interval has to be {side} the dashed line</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img" aria-label="{label}">'
        f"{''.join(drawn)}</svg></figure>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" {style}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="11" fill="currentColor">{escape(text)}</text>'
