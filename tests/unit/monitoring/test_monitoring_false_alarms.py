"""How often a report asks for retraining although nothing drifted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from mlcore.config.monitor import Monitor
from mlcore.monitoring.decision import by_chance, decide
from mlcore.monitoring.drift import detect
from mlcore.monitoring.histograms import FeatureDays

REFERENCE, CURRENT, BINS, ROWS = 28, 3, 8, 300
CONFIG = Monitor(schedule="@daily")


def days(rng: np.random.Generator, resemblance: float) -> npt.NDArray[np.int64]:
    """Days of one feature, each moved by a shock that the next day partly keeps."""
    level, place = rng.normal(), np.linspace(-1, 1, BINS)
    counts = []
    for _ in range(REFERENCE + CURRENT):
        level = resemblance * level + np.sqrt(1 - resemblance**2) * rng.normal()
        shares = np.exp(-2 * (place - 0.4 * level) ** 2)
        counts.append(rng.multinomial(ROWS, shares / shares.sum()))
    return np.array(counts)


def asks(rng: np.random.Generator, features: int, resemblance: float) -> bool:
    """Whether a report of independent features under the null asks for retraining."""
    drawn = [days(rng, resemblance) for _ in range(features)]
    drift = detect(
        [
            FeatureDays(
                feature=str(number),
                bins=tuple(map(str, range(BINS))),
                reference=counts[:REFERENCE],
                current=counts[REFERENCE:],
            )
            for number, counts in enumerate(drawn)
        ],
        min_distance=0.01,
    )
    return decide(drift, None, None, CONFIG).retrain


@pytest.mark.parametrize(("features", "reports"), [(10, 40), (200, 5)])
def test_reports_of_many_features_alarm_no_more_than_those_of_few(features: int, reports: int) -> None:
    """With days that resemble those before them, and no least distance to help, one report of twenty at most."""
    rng = np.random.default_rng(20)
    alarms = sum(asks(rng, features, 0.5) for _ in range(reports))
    assert alarms <= max(0.05 * reports, 1)


def test_what_chance_makes_grows_with_the_features() -> None:
    """One feature that drifts is news among few, and not among many; more than chance makes always are."""
    assert [by_chance(features) for features in (0, 1, 3, 10, 20, 200)] == [0, 0, 1, 1, 2, 8]
