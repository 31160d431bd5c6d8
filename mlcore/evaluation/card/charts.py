"""Charts of a model card as SVG: numbers, and names of features as escaped text, so that nothing can be markup."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mlcore.evaluation.curves import Curves
from mlcore.evaluation.files import Judgement
from mlcore.evaluation.importance import Importances

_SIZE, _MARGIN = 260, 36
_BAR, _NAMES, _WIDE = 18, 150, 320
SHOWN_FEATURES = 30


def chart(name: str, judgement: Judgement) -> str:
    """One chart by its name; empty where there is nothing to draw."""
    curves = judgement.curves or Curves()
    if name == "importance" and judgement.importances is not None:
        return _importance(judgement.importances)
    if name == "calibration" and curves.calibration:
        return _frame("predicted probability", "share that is positive", _calibration(curves))
    if name == "precision_recall" and curves.points:
        pairs = [(point.recall, point.precision) for point in curves.points]
        return _frame("recall", "precision", [_line(pairs, "curve")])
    return ""


def _calibration(curves: Curves) -> list[str]:
    drawn = [_line([(0.0, 0.0), (1.0, 1.0)], "guide")]
    for each in curves.calibration:
        x = _x(each.score)
        drawn.append(f'<line class="bar" x1="{x}" x2="{x}" y1="{_y(each.lower)}" y2="{_y(each.upper)}"/>')
        drawn.append(f'<circle class="dot" cx="{x}" cy="{_y(each.rate)}" r="3"/>')
    return [*drawn, _line([(each.score, each.rate) for each in curves.calibration], "curve")]


def _line(pairs: Sequence[tuple[float, float]], kind: str) -> str:
    points = " ".join(f"{_x(x)},{_y(y)}" for x, y in pairs)
    return f'<polyline class="{kind}" points="{points}"/>'


def _frame(across: str, up: str, drawn: Sequence[str]) -> str:
    whole, end = _SIZE + 2 * _MARGIN, _MARGIN + _SIZE
    ticks = "".join(
        f'<text x="{_x(at)}" y="{end + 14}" text-anchor="middle">{at:g}</text>'
        f'<text x="{_MARGIN - 6}" y="{_y(at) + 4:.1f}" text-anchor="end">{at:g}</text>'
        for at in (0.0, 0.5, 1.0)
    )
    return (
        f'<svg viewBox="0 0 {whole} {whole}" width="{whole}" height="{whole}" role="img" aria-label="{up} by {across}">'
        f'<rect class="frame" x="{_MARGIN}" y="{_MARGIN}" width="{_SIZE}" height="{_SIZE}"/>{ticks}{"".join(drawn)}'
        f'<text x="{_MARGIN + _SIZE / 2}" y="{whole - 4}" text-anchor="middle">{across}</text>'
        f'<text x="{_MARGIN}" y="{_MARGIN - 10}">{up}</text></svg>'
    )


def _x(value: float) -> float:
    return round(_MARGIN + _SIZE * value, 1)


def _y(value: float) -> float:
    return round(_MARGIN + _SIZE * (1.0 - value), 1)


def _importance(found: Importances) -> str:
    """A bar a feature, with its interval."""
    shown = found.features[:SHOWN_FEATURES]
    least = min([0.0, *(each.value.lower for each in shown)])
    most = max([0.0, *(each.value.upper for each in shown)])
    scale = _WIDE / (most - least) if most > least else 0.0

    def across(value: float) -> float:
        return round(_NAMES + (value - least) * scale, 1)

    drawn = []
    for place, each in enumerate(shown):
        top = _BAR * place + 6
        left, right = sorted((across(0.0), across(each.value.value)))
        middle = top + 6
        name = escape(each.name if len(each.name) <= 24 else each.name[:23] + "…")
        drawn.append(f'<text x="{_NAMES - 8}" y="{top + 10}" text-anchor="end">{name}</text>')
        drawn.append(f'<rect class="dot" x="{left}" y="{top}" width="{round(right - left, 1)}" height="12"/>')
        ends = f'x1="{across(each.value.lower)}" x2="{across(each.value.upper)}"'
        drawn.append(f'<line class="frame" {ends} y1="{middle}" y2="{middle}"/>')
    width, height = _NAMES + _WIDE + 20, _BAR * len(shown) + 12
    label = escape(f"{found.metric} worse without each feature")
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{label}">'
        f'<line class="frame" x1="{across(0.0)}" x2="{across(0.0)}" y1="0" y2="{height}"/>{"".join(drawn)}</svg>'
    )
