"""How sure the k-th test of one question must be, so that all tests together err as rarely as one may.

Every retraining asks anew whether its challenger is better than the champion. Asked often enough, chance says yes. So
the chance of error is spent: the k-th test gets ``alpha * (1 / log2(k + 1) - 1 / log2(k + 2))``. The sum telescopes to
``alpha`` over all tests there will ever be, whence, by Boole's inequality and whatever the tests' dependence, the
chance of a false yes among them is at most ``alpha`` (alpha spending; Foster and Stine, 2008; Tian and Ramdas, 2021).
The shares fall about as slowly as they may: the 1st test has 0.37 of ``alpha``, the 10th 0.010, the 50th 0.0009.

A challenger that is on trial is looked at again and again, on rows that only grow. There the time is bounded, and what
was spent by a moment is ``alpha * t ** 2``, ``t`` being the part of the time that is over (Kim and DeMets, 1987, with
rho = 2): later looks see more, and have more. Each look has what came to it since the one before, and again Boole's
inequality holds whatever the looks' dependence, and however often one looks.
"""

from __future__ import annotations

import math

from mlcore.config.evaluation import ChampionCriterion


def spent(alpha: float, earlier_tests: int) -> float:
    """The chance of error that a test may have.

    Args:
        alpha: Of all tests of the question together.
        earlier_tests: How many challengers were tested against this champion before.

    >>> round(spent(0.05, 0), 4), round(sum(spent(0.05, earlier) for earlier in range(1000)), 4)
    (0.0185, 0.045)
    """
    return alpha * (1.0 / math.log2(earlier_tests + 2) - 1.0 / math.log2(earlier_tests + 3))


def chance(criterion: ChampionCriterion, earlier_tests: int) -> float:
    """Of error, of a two-sided interval. What is spent is that of a wrong promotion: of one side, not of both."""
    alpha = 1.0 - criterion.confidence
    return 2.0 * spent(alpha, earlier_tests) if criterion.spends else alpha


def confidence_of(criterion: ChampionCriterion, *, earlier_tests: int, share: float) -> float:
    """Of the interval by which a look decides that has a share of the chance of error.

    Args:
        criterion: What is to be proven; of several slices Holm's procedure asks for more.
        earlier_tests: How many challengers were tested against this champion before.
        share: See :func:`share_left`.
    """
    return 1.0 - chance(criterion, earlier_tests) * share


def share_by(over: float) -> float:
    """The share of the chance of error that may be spent by the time that a part of the longest time is over.

    >>> [share_by(day / 4) for day in range(5)]
    [0.0, 0.0625, 0.25, 0.5625, 1.0]
    """
    return min(max(over, 0.0), 1.0) ** 2


def share_left(over: float, spent: float) -> float:
    """What of :func:`share_by` is left for a look, after the looks before it."""
    return max(share_by(over) - spent, 0.0)
