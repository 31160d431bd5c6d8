"""Charts of a model card as SVG: numbers only, so that nothing from data can be markup."""

from __future__ import annotations

from collections.abc import Sequence

from mlcore.evaluation.curves import Curves

_SIZE, _MARGIN = 260, 36


def chart(name: str, curves: Curves) -> str:
    """One chart by its name; empty where there is nothing to draw."""
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
