"""The label of the row before or after in a column: the trace of a join or a shift by a row too few or too many.

The label of an earlier row may well be a feature, if it was known when the later row happened: only neighbours whose
label was not known by then are looked at. That of a later row never is known.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.leaks.rows import Codes, LeakRows, Outcome
from mlcore.schema.leaks.told import FEWEST_ROWS, Pair, exact, is_number, most_told, number_readings, numbers_of

SURE = 0.95
NEAR = 0.8
_BEYOND_OWN = 0.1
_Side = tuple[Codes, Outcome]


def shifted_labels(rows: LeakRows) -> Iterator[Anomaly]:
    """Columns that tell a neighbour's label, and their own row's no better."""
    neighbours = list(_neighbours(rows))
    for name in rows.features:
        best: tuple[float, str] = (0.0, "")
        for what, train, judged in neighbours:
            strength = _strength(rows, name, train, judged)
            if strength >= NEAR and strength > best[0]:
                best = strength, what
        if best[0] < NEAR:
            continue
        everything = (np.arange(rows.train.num_rows), rows.outcomes[0])
        own = _strength(rows, name, everything, (np.arange(rows.evaluation.num_rows), rows.outcomes[1]))
        if best[0] < own + _BEYOND_OWN:
            continue
        yield Anomaly(
            type=AnomalyType.SHIFTED_LABEL,
            severity=Severity.ERROR if best[0] >= SURE else Severity.WARNING,
            feature=name,
            description=f"The column tells {best[0]:.0%} of the label of {best[1]}, which is not known yet.",
            observed=best[0],
            expected=NEAR,
        )


def _strength(rows: LeakRows, name: str, train: _Side, judged: _Side) -> float:
    columns = [side[name] for side in rows.sides]
    if is_number(columns[0].type):
        pairs: Iterator[Pair] = number_readings(*(numbers_of(column) for column in columns))
    else:
        pairs = iter([exact(*columns)])
    return most_told(((first[train[0]], second[judged[0]]) for first, second in pairs), train[1], judged[1])


def _neighbours(rows: LeakRows) -> Iterator[tuple[str, _Side, _Side]]:
    """What is looked at, and for both sides rows with their neighbour's label."""
    delay = int(rows.label_delay.total_seconds() * 1e6)
    for name, orders in _orders(rows):
        for later in (True, False):
            sides = [
                _beside(order, whole, moments, outcome, None if later else delay)
                for (order, whole), moments, outcome in zip(orders, rows.moments, rows.outcomes, strict=True)
            ]
            if min(len(side[0]) for side in sides) >= FEWEST_ROWS:
                yield f"the row {'after' if later else 'before'} it {name}", sides[0], sides[1]


_Order = tuple[Codes, Codes]
"""Rows in an order, and a number for each of them that neighbours have in common."""


def _orders(rows: LeakRows) -> Iterator[tuple[str, list[_Order]]]:
    source = [np.arange(side.num_rows) for side in rows.sides]
    whole = [np.zeros(len(order), np.int64) for order in source]
    yield "in the source", list(zip(source, whole, strict=True))
    by_time = [np.argsort(moments, kind="stable") for moments in rows.moments]
    if any((order != other).any() for order, other in zip(by_time, source, strict=True)):
        yield "in time", list(zip(by_time, whole, strict=True))
    entity = [name for name in rows.key if name != rows.event_timestamp]
    codes = _entities(rows, entity) if entity else None
    if codes is not None and all(len(np.unique(side)) * 2 <= len(side) for side in codes):
        orders = [np.lexsort((moments, side)) for moments, side in zip(rows.moments, codes, strict=True)]
        yield (
            f"of the same {', '.join(entity)}",
            [(order, side[order]) for order, side in zip(orders, codes, strict=True)],
        )


def _entities(rows: LeakRows, names: list[str]) -> list[Codes]:
    mixed = [np.zeros(side.num_rows, np.int64) for side in rows.sides]
    for name in names:
        pair = exact(*(side[name] for side in rows.sides))
        count = int(max(codes.max(initial=0) for codes in pair)) + 1
        joined = np.concatenate([one * count + two for one, two in zip(mixed, pair, strict=True)])
        codes = np.unique(joined, return_inverse=True)[1].astype(np.int64)
        mixed = [codes[: len(mixed[0])], codes[len(mixed[0]) :]]
    return mixed


def _beside(order: Codes, common: Codes, moments: Codes, outcome: Outcome, delay: int | None) -> _Side:
    """Rows that have a neighbour whose label is not known yet, and that label; the one before with a ``delay``."""
    before, after = order[:-1], order[1:]
    row, neighbour = (before, after) if delay is None else (after, before)
    unknown = common[1:] == common[:-1]
    if delay is not None:
        unknown &= moments[neighbour] + delay > moments[row]
    return row[unknown], outcome.at(neighbour[unknown])
