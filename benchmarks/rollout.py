"""How often a challenger is promoted, and after how long, when it is looked at every day: simulated trials.

    python -m benchmarks.rollout [--trials 2000] [--days 14] [--at-least 3]

A day's rows share a day, so a trial is a row of daily differences (challenger less champion, in a metric of which less
is better; the standard deviation of a day's is 1). Looks, claims, intervals and the chance of error that each look has
are the code that judges real challengers; only the rows are left out. "every look anew" is what the same gates would do
without spending.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mlcore.evaluation.claims import Better, Claim, NotWorse, Worse
from mlcore.evaluation.intervals import spread
from mlcore.evaluation.spending import share_by, spent
from mlcore.evaluation.values import MetricValue, estimate

Floats = npt.NDArray[np.float64]
MARGIN = 1.0
ALPHA = 0.05


def looked_at(days: Floats) -> MetricValue:
    """The mean difference of some days, as the comparison of their rows has it."""
    found = spread(days - days.mean(), base=np.ones(len(days)), clusters=np.arange(len(days)))
    assert found is not None
    return estimate(float(days.mean()), found, rows=len(days), confidence=1.0 - ALPHA, limits=(None, None))


def trial(days: Floats, claim: Claim, harm: Claim, alpha: float, *, at_least: int, spending: bool) -> tuple[str, int]:
    """What becomes of one challenger, and on which day."""
    used = 0.0
    for day in range(at_least, len(days) + 1):
        by = share_by(day / len(days))
        share, used = (by - used, by) if spending else (1.0, 0.0)
        value = looked_at(days[:day]).at(1.0 - alpha * share)
        if claim.proven(value):
            return "promoted", day
        if harm.proven(value):
            return "refused", day
    return "time over", len(days)


def simulated(worse_by: float, trials: int, days: int, kind: str) -> Floats:
    """Daily differences: normal, with heavy tails (t of 3), or each like the day before (correlation 0.5)."""
    random = np.random.default_rng(7)
    if kind == "heavy tails":
        noise = random.standard_t(3, (trials, days)) / math.sqrt(3.0)
    else:
        noise = random.standard_normal((trials, days))
    if kind == "days alike":
        for day in range(1, days):
            noise[:, day] = 0.5 * noise[:, day - 1] + math.sqrt(0.75) * noise[:, day]
    return noise + worse_by


def row(name: str, found: Sequence[tuple[str, int]]) -> str:
    shares = [
        sum(what == outcome for what, _ in found) / len(found) for outcome in ("promoted", "refused", "time over")
    ]
    return f"{name:58}" + "".join(f"{share:11.1%}" for share in shares) + f"{np.mean([day for _, day in found]):9.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--at-least", type=int, default=3)
    asked = parser.parse_args()
    not_worse, too_bad = NotWorse(MARGIN, higher=False), Worse(MARGIN, higher=False)
    better, not_better = Better(0.0, higher=False), Worse(-0.0, higher=False)
    print(f"{asked.trials} trials, looks on days {asked.at_least} to {asked.days}, margin {MARGIN:g} daily deviations")
    print(f"{'':58}{'promoted':>11}{'refused':>11}{'time over':>11}{'days':>9}")
    for kind in ("normal", "heavy tails", "days alike"):
        for name, worse_by, claim, harm, alpha in (
            ("worse than allowed, by a hair", MARGIN, not_worse, too_bad, ALPHA),
            ("worse than allowed, by half the margin", 1.5 * MARGIN, not_worse, too_bad, ALPHA),
            ("equal, may be worse by the margin", 0.0, not_worse, too_bad, ALPHA),
            ("equal, must be better", 0.0, better, not_better, 2.0 * spent(ALPHA, 0)),
            ("better by the margin, must be better", -MARGIN, better, not_better, 2.0 * spent(ALPHA, 0)),
        ):
            days = simulated(worse_by, asked.trials, asked.days, kind)
            for how, spending in (("", True), (" (every look anew)", False)):
                found = [trial(one, claim, harm, alpha, at_least=asked.at_least, spending=spending) for one in days]
                print(row(f"{kind}: {name}{how}", found), flush=True)


if __name__ == "__main__":
    main()
