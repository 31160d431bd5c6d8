"""A mean of the label in a column, made of rows that are to be predicted: a target statistic over all rows.

A statistic of other rows, such as earlier ones, differs from the mean label of the rows that have its value as much as
chance makes means of so many rows differ, or more. One that is made of these rows does not differ, or differs less: the
chi-square of the differences is too small (its lower tail, with groups of at least five rows of either kind).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.leaks.rows import Bools, Codes, Floats, LeakRows
from mlcore.schema.leaks.told import decimals_of, is_number, numbers_of

_FEWEST_GROUPS = 8
_FEWEST_OF_KIND = 5
_MOST_GROUPS_PER_ROW = 1 / 3
_BY_CHANCE = 1e-9
_SMOOTHINGS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""So many rows of the overall mean are added to each group's, as smoothed target encodings do."""
_ROUNDED = 0.1


def target_statistics(rows: LeakRows) -> Iterator[Anomaly]:
    """Columns that are nearer to the mean labels of their own rows than a statistic of other rows could be."""
    known = [outcome.known for outcome in rows.outcomes]
    outcome = np.concatenate([each.values[mask] for each, mask in zip(rows.outcomes, known, strict=True)])
    judged = np.concatenate([np.full(int(mask.sum()), side) for side, mask in enumerate(known)]).astype(np.bool_)
    for name in rows.features:
        if not is_number(rows.train.schema.field(name).type):
            continue
        values = np.concatenate([numbers_of(side[name])[mask] for side, mask in zip(rows.sides, known, strict=True)])
        for labels, share in _as_numbers(outcome, rows.outcomes[0].classes):
            found = _found(values, labels, judged, share=share)
            if found is not None:
                yield _anomaly(name, found)
                break


@dataclass(frozen=True, slots=True)
class _Found:
    """How the differences compare with those of chance; 1 is chance, 0 none at all."""

    ratio: float
    groups: int
    of_training_rows: bool


def _anomaly(name: str, found: _Found) -> Anomaly:
    if found.of_training_rows:
        text = "each training row's own label is in it, so that it says more of them than of other rows"
    else:
        text = "evaluation rows' labels are in it"
    return Anomaly(
        type=AnomalyType.TARGET_STATISTIC,
        severity=Severity.WARNING if found.of_training_rows else Severity.ERROR,
        feature=name,
        description=f"The column is a mean of the label: over {found.groups} of its values the squared difference "
        f"from their rows' mean label is {found.ratio:.1%} of what chance gives a statistic of other rows; {text}.",
        observed=found.ratio,
        expected=1.0,
    )


def _as_numbers(outcome: Floats, classes: int) -> Iterator[tuple[Floats, bool]]:
    """Labels a mean can be of: the share of one class, of two classes of the second; or the numbers."""
    if not classes:
        yield outcome, False
        return
    for one in range(1 if classes <= 2 else 0, classes):
        yield (outcome == one).astype(np.float64), True


def _found(values: Floats, labels: Floats, judged: Bools, *, share: bool) -> _Found | None:
    finite = np.isfinite(values)
    values, labels, judged = values[finite], labels[finite], judged[finite]
    if not len(values) or (share and (values.min() < 0.0 or values.max() > 1.0)):
        return None
    if values.max() < labels.min() or values.min() > labels.max():
        return None
    distinct, group = np.unique(values, return_inverse=True)
    if not _FEWEST_GROUPS <= len(distinct) <= len(values) * _MOST_GROUPS_PER_ROW:
        return None
    group = group.astype(np.int64)
    decimals = decimals_of(values)
    rounding = 0.0 if decimals is None else 0.5 * 10.0**-decimals
    whole = _least(distinct, group, labels, share=share, rounding=rounding)
    train = _least(distinct, group[~judged], labels[~judged], share=share, rounding=rounding)
    nearest = min(whole, train, key=lambda found: found[0])
    if nearest[1] >= _BY_CHANCE / len(_SMOOTHINGS):
        return None
    return _Found(ratio=nearest[0], groups=nearest[2], of_training_rows=nearest is train)


def _least(distinct: Floats, group: Codes, labels: Floats, *, share: bool, rounding: float) -> tuple[float, float, int]:
    """Over all smoothings the least ratio of the differences to those of chance, how likely it is, and the groups."""
    from scipy.special import gammainc

    count = np.bincount(group, minlength=len(distinct)).astype(np.float64)
    sums = np.bincount(group, weights=labels, minlength=len(distinct))
    squares = np.bincount(group, weights=labels**2, minlength=len(distinct))
    rows = np.maximum(count, 1.0)
    mean = sums / rows
    if share:
        variance = distinct * (1.0 - distinct)
        large = np.minimum(distinct, 1.0 - distinct) * count >= _FEWEST_OF_KIND
    else:
        variance = (squares / rows - mean**2) * rows / np.maximum(rows - 1.0, 1.0)
        large = count >= 2 * _FEWEST_OF_KIND
    large &= (variance > 0.0) & (rounding <= _ROUNDED * np.sqrt(np.maximum(variance, 0.0) / rows))
    groups = int(large.sum())
    best = (1.0, 1.0, groups)
    if groups < _FEWEST_GROUPS:
        return best
    usual = float(labels.mean())
    for smoothing in _SMOOTHINGS:
        smoothed = (sums + smoothing * usual) / (rows + smoothing)
        difference = (distinct - smoothed) * (rows + smoothing) / rows
        squared = float((difference[large] ** 2 * rows[large] / variance[large]).sum())
        if squared / groups < best[0]:
            best = squared / groups, float(gammainc(groups / 2.0, squared / 2.0)), groups
    return best
