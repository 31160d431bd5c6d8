"""Several statements at once, each as sure as Holm's procedure asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def level(holds: Callable[[float], bool]) -> float:
    """The smallest chance of error at which a bound still says so: what others call the p-value.

    Args:
        holds: Whether it holds at a confidence; if at one, then at every lower one.

    >>> round(level(lambda confidence: confidence <= 0.9), 6)
    0.1
    """
    if not holds(0.0):
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0 if low else high / 16.0
        if holds(1.0 - middle):
            high = middle
        else:
            low = middle
        if high < 1e-12:
            return high
    return high


def holm(levels: Sequence[float], alpha: float) -> tuple[list[bool], float]:
    """Which of several hypotheses are rejected, none wrongly but with a chance of ``alpha`` (Holm, 1979).

    Returns:
        Whether each is, and the level at which the procedure ended: those that are not rejected are not at this one.

    >>> holm([0.01, 0.04, 0.03], 0.05)
    ([True, False, False], 0.025)
    """
    order = sorted(range(len(levels)), key=lambda index: (levels[index], index))
    rejected = [False] * len(levels)
    reached = alpha
    for place, index in enumerate(order):
        reached = alpha / (len(levels) - place)
        if levels[index] > reached:
            break
        rejected[index] = True
    return rejected, reached
