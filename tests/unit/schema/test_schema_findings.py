"""The faults that no schema states, in seeded data of many weeks, and their absence where nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlcore.components.summaries import dataset_summary
from mlcore.core.window import Span, parse_moment
from mlcore.schema.anomalies import Anomaly, Severity
from mlcore.schema.anomalies import AnomalyType as Kind
from mlcore.schema.findings import findings
from mlcore.schema.history import Expectations, History
from mlcore.schema.infer import TOLERANT, infer
from mlcore.schema.schema import Schema
from mlcore.schema.summary import DatasetSummary
from mlcore.schema.text_findings import folded, is_damaged
from mlcore.statistics.accumulate import DatasetAccumulator

DAYS = 40 * 7
HISTORY = 28
START = parse_moment("2024-01-01T00:00Z")
CITIES = ["São Paulo", "Zürich", "Berlin", "New York", "Łódź"]
EXPECTED = Expectations(event_timestamp="at")


def day(index: int, rows: int | None = None) -> pa.Table:
    """One day of orders: a weekly rhythm, a slow trend, days that differ from each other, weekends with a third."""
    rng = np.random.default_rng(index)
    start = START + timedelta(days=index)
    rows = rows or int(rng.normal(120 if start.weekday() >= 5 else 400, 15))
    level = rng.normal(1.0, 0.1) + index / 1000
    city = rng.choice(CITIES, rows, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    return pa.table(
        {
            "at": pa.array(
                [start + timedelta(seconds=float(second)) for second in np.sort(rng.uniform(0, 86_399, rows))],
                pa.timestamp("us", tz="UTC"),
            ),
            "month": np.full(rows, start.month),
            "city": city,
            "plan": rng.choice(["Basic plan", "Pro plan"], rows),
            "amount": rng.lognormal(3 * level, 0.5, rows),
            "seconds": rng.gamma(2.0, 600 * level, rows).round().astype(int) + 1,
            "rate": np.where(rng.random(rows) < 0.85, 0.0, 1.5),
            "score": rng.normal(-5, 1, rows).round(3),
        }
    )


def span(index: int) -> Span:
    start = START + timedelta(days=index)
    return Span(start=start, end=start + timedelta(days=1))


def accumulated(table: pa.Table) -> DatasetAccumulator:
    return DatasetAccumulator.of(table.to_batches())


def summary(index: int, table: pa.Table) -> DatasetSummary:
    return dataset_summary(span(index).label, accumulated(table), span=span(index))


@pytest.fixture(scope="module")
def history() -> History:
    tables = [day(index) for index in range(HISTORY)]
    merged = DatasetAccumulator.merge([accumulated(table) for table in tables])
    return History(
        reference=dataset_summary("training", merged),
        spans=tuple(summary(index, table) for index, table in enumerate(tables)),
    )


def check(table: pa.Table, history: History, expected: Expectations = EXPECTED) -> dict[tuple[Kind, str | None], str]:
    found = found_in(table, history, expected)
    assert all(anomaly.since == span(HISTORY).label for anomaly in found if anomaly.type.source != "tfdv")
    return {anomaly.key: anomaly.severity.value for anomaly in found}


def found_in(table: pa.Table, history: History, expected: Expectations = EXPECTED) -> tuple[Anomaly, ...]:
    now = summary(HISTORY, table)
    return findings(now, infer(history.reference, TOLERANT), spans=[now], history=history, expected=expected)


def changed(name: str, change: Callable[[Any], Any]) -> pa.Table:
    table = day(HISTORY)
    index = table.schema.get_field_index(name)
    return table.set_column(index, name, change(table[name]))


def test_forty_clean_weeks_raise_no_error() -> None:
    """Each week against the four before it: nothing stops a run that is only of another week."""
    days = [accumulated(day(index)) for index in range(DAYS)]
    spans = [dataset_summary(span(index).label, one, span=span(index)) for index, one in enumerate(days)]
    found: list[Anomaly] = []
    for end in range(HISTORY, DAYS, 7):
        reference = dataset_summary("training", DatasetAccumulator.merge(days[end - HISTORY : end]))
        found += findings(
            reference,
            infer(reference, TOLERANT),
            spans=spans[end : end + 7],
            history=History(reference=reference, spans=tuple(spans[end - HISTORY : end])),
            expected=EXPECTED,
        )
    assert [str(anomaly) for anomaly in found] == []


@pytest.mark.parametrize("factor", [1000, 0.001, 60, 86_400])
def test_another_unit_is_an_error(history: History, factor: float) -> None:
    """All numbers a thousand times greater or smaller are taken for another unit, not for drift."""
    table = changed("seconds", lambda column: pc.multiply(column, factor))
    assert check(table, history)[Kind.UNIT_CHANGE, "seconds"] == "ERROR"
    (anomaly,) = [found for found in found_in(table, history) if found.type is Kind.UNIT_CHANGE]
    assert "median" in anomaly.description


def test_another_unit_in_some_rows_is_an_error(history: History) -> None:
    """Where a third of the rows changed, the deciles agree on no factor; the extremes of before tell it."""

    def some(column: pa.ChunkedArray) -> pa.Array:
        return pa.array([value * 1000 if row % 3 == 0 else value for row, value in enumerate(column.to_pylist())])

    assert check(changed("seconds", some), history) == {(Kind.UNIT_CHANGE, "seconds"): "ERROR"}


@pytest.mark.parametrize("factor", [2, 0.5, 5])
def test_growth_is_no_other_unit(history: History, factor: float) -> None:
    """Twice or five times as much is growth, whatever else it is."""
    assert check(changed("seconds", lambda column: pc.multiply(column, factor)), history) == {}


@pytest.mark.parametrize(("name", "decimals"), [("amount", 0), ("amount", 2), ("score", 1)])
def test_sudden_rounding_is_a_warning(history: History, name: str, decimals: int) -> None:
    """Numbers that lost their decimals are named."""
    table = changed(name, lambda column: pc.round(column, decimals))
    assert check(table, history) == {(Kind.ROUNDED_VALUES, name): "WARNING"}


def test_a_column_that_stands_still_is_an_error(history: History) -> None:
    """One value where every earlier day had several; what is constant within each day anyway is none."""
    table = changed("amount", lambda column: pa.array(np.full(len(column), 7.25)))
    assert check(table, history)[Kind.CONSTANT_COLUMN, "amount"] == "ERROR"
    rare = changed("rate", lambda column: pa.array(np.zeros(len(column))))
    assert check(rare, history) == {(Kind.CONSTANT_COLUMN, "rate"): "WARNING"}
    assert check(changed("month", lambda column: pa.array(np.full(len(column), 2))), history) == {}


def mojibake(column: pa.ChunkedArray) -> pa.Array:
    return pa.array([value.encode().decode("latin-1") for value in column.to_pylist()])


def replaced(column: pa.ChunkedArray) -> pa.Array:
    return pa.array([value.encode("latin-1", "replace").decode("utf-8", "replace") for value in column.to_pylist()])


@pytest.mark.parametrize("damage", [mojibake, replaced])
def test_a_damaged_encoding_is_an_error(history: History, damage: Callable[[Any], Any]) -> None:
    """UTF-8 read as Latin-1, and Latin-1 read as UTF-8, are both seen."""
    assert check(changed("city", damage), history)[Kind.DAMAGED_ENCODING, "city"] == "ERROR"


@pytest.mark.parametrize(
    "text", ["Zürich", "São", "Łódź", "Ångström", "naïve “quoted”", "Привет", "東京", "«CAFÉ»", "Ã", "€", "É«", ""]
)
def test_text_of_any_language_is_not_damaged(text: str) -> None:
    """Letters beyond ASCII are no damage by themselves; the same text decoded wrongly is."""
    assert not is_damaged(text)
    wrong = text.encode().decode("latin-1")
    assert is_damaged(wrong) == (not text.isascii())


@pytest.mark.parametrize("change", [pc.utf8_upper, lambda column: pc.binary_join_element_wise(column, "", " ")])
def test_a_renamed_category_is_an_error(history: History, change: Callable[[Any], Any]) -> None:
    """Categories in another case, or with a space more, are the old ones renamed."""
    table = changed("plan", change)
    found = [anomaly for anomaly in found_in(table, history) if anomaly.type is Kind.RENAMED_CATEGORY]
    assert [(anomaly.feature, anomaly.severity) for anomaly in found] == [("plan", Severity.ERROR)]
    assert found[0].expected == ["Basic plan", "Pro plan"] or found[0].expected == ["Pro plan", "Basic plan"]


def test_a_minus_before_a_number_is_no_separator() -> None:
    """-2,5 is another amount than 2,5, where a hyphen between words is one way of writing."""
    assert folded("-2,5") != folded("2,5")
    assert folded("Pro-plan ") == folded("pro plan")


def test_a_new_category_is_not_a_renamed_one(history: History) -> None:
    """Another spelling beside the old one, and a new word, are what the schema speaks of."""
    half = changed("plan", lambda column: pc.if_else(pc.equal(column, "Pro plan"), "Team plan", column))
    assert check(half, history) == {}


@pytest.mark.parametrize("names", [("city", "plan"), ("amount", "seconds", "rate"), ("amount", "seconds")])
def test_shifted_columns_are_an_error(history: History, names: tuple[str, ...]) -> None:
    """Fields that moved by one place are seen from what the columns beside them held."""
    table = day(HISTORY)
    for name, source in zip(names, names[1:] + names[:1], strict=True):
        table = table.set_column(table.schema.get_field_index(name), name, day(HISTORY)[source])
    found = {key: severity for key, severity in check(table, history).items() if key[0] is Kind.SHIFTED_COLUMN}
    assert len(found) >= 2
    assert set(found.values()) == {"ERROR"}


@pytest.mark.parametrize(("factor", "severity"), [(0.3, "ERROR"), (0.6, "WARNING"), (1.7, "WARNING"), (3, "ERROR")])
def test_volume_is_judged_by_the_weekday(history: History, factor: float, severity: str) -> None:
    """A Monday is compared with Mondays: a third of the rows, usual on a Sunday, stops the run."""
    mondays = [one.rows for one in history.spans if one.start is not None and one.start.weekday() == 0]
    limit = min(mondays) if factor < 1 else max(mondays)
    table = day(HISTORY, int(limit * factor))
    assert check(table, history) == {(Kind.UNUSUAL_VOLUME, None): severity}


@pytest.mark.parametrize(("hours", "severity"), [(3, None), (9, "WARNING"), (15, "ERROR")])
def test_events_that_stop_are_stale(history: History, hours: int, severity: str | None) -> None:
    """The newest event is compared with the end of the span and with how far from it it usually is."""
    end = span(HISTORY).end - timedelta(hours=hours)
    table = day(HISTORY, 800)
    table = table.filter(pc.less(table["at"], pa.scalar(end, pa.timestamp("us", tz="UTC"))))
    found = {key: level for key, level in check(table, history).items() if key[0] is not Kind.UNUSUAL_VOLUME}
    assert found == ({(Kind.STALE_EVENTS, "at"): severity} if severity else {})


def test_events_of_the_future_are_an_error(history: History) -> None:
    """An event at or after the end of its span cannot have been known."""
    table = changed("at", lambda column: pc.add(column, pa.scalar(timedelta(hours=1), pa.duration("us"))))
    assert check(table, history) == {(Kind.FUTURE_EVENTS, "at"): "ERROR"}


@pytest.mark.parametrize(
    ("as_of", "kinds"),
    [
        ("2024-01-29T12:00Z", [Kind.FUTURE_EVENTS]),
        ("2024-01-30T12:00Z", []),
        ("2024-02-03T00:00Z", [Kind.STALE_EVENTS]),
    ],
)
def test_one_file_is_judged_by_as_of_and_max_age(as_of: str, kinds: list[Kind]) -> None:
    """Without spans, the moment and the age are the caller's."""
    expected = Expectations(event_timestamp="at", as_of=parse_moment(as_of), max_age=timedelta(days=2))
    file = dataset_summary("file", accumulated(day(HISTORY)))
    assert [found.type for found in findings(file, Schema(features=()), expected=expected)] == kinds


def test_leaks_and_duplicates_are_told_by_their_share() -> None:
    """A column that is the label is an error, one near it a warning; so are many and few duplicate keys."""
    leaky = DatasetSummary(
        name="file", rows=10_000, features=(), associations={"y": 1.0, "same": 0.99, "near": 0.85, "fine": 0.5}
    )
    found = findings(leaky, Schema(features=()), expected=Expectations(label="y", key=("id",), duplicates=10))
    assert [(one.type, one.feature, one.severity) for one in found] == [
        (Kind.DUPLICATE_KEYS, None, Severity.WARNING),
        (Kind.LABEL_LEAKAGE, "near", Severity.WARNING),
        (Kind.LABEL_LEAKAGE, "same", Severity.ERROR),
    ]
    only = Expectations(label="y", features=frozenset({"fine"}), key=("id",), duplicates=11)
    assert [one.severity for one in findings(leaky, Schema(features=()), expected=only)] == [Severity.ERROR]


def test_severities_of_our_own_kinds_are_the_schemas_to_say(history: History) -> None:
    """What stops a run by default may be told not to."""
    now = summary(HISTORY, day(HISTORY, 100))
    quiet = Schema(features=(), severity={Kind.UNUSUAL_VOLUME: Severity.WARNING})
    assert [one.severity for one in findings(now, quiet, spans=[now], history=history)] == [Severity.WARNING]


def test_since_is_the_first_span_that_shows_it(history: History) -> None:
    """Several days with a fault are one anomaly, of the worst day, since the first."""
    spans = [summary(HISTORY + index, day(HISTORY + index, rows)) for index, rows in enumerate((240, 100, 500))]
    found = findings(spans[0], Schema(features=()), spans=spans, history=history)
    assert [(one.type, one.since, one.severity) for one in found] == [
        (Kind.UNUSUAL_VOLUME, "2024-01-29", Severity.ERROR)
    ]


def test_moments_are_utc() -> None:
    """The newest event keeps its time zone."""
    newest = summary(0, day(0)).features[0].newest
    assert isinstance(newest, datetime)
    assert newest.tzinfo is not None


def test_swapped_numbers_are_an_error(history: History) -> None:
    """Two columns of numbers whose values changed places are named, and not taken for other units."""
    table, other = day(HISTORY), day(HISTORY)
    for name, source in (("seconds", "amount"), ("amount", "seconds")):
        table = table.set_column(table.schema.get_field_index(name), name, other[source])
    found = check(table, history)
    assert found[Kind.SHIFTED_COLUMN, "seconds"] == found[Kind.SHIFTED_COLUMN, "amount"] == "ERROR"
    assert not any(kind is Kind.UNIT_CHANGE for kind, _ in found)


def test_another_unit_in_a_few_rows_is_a_warning(history: History) -> None:
    """One row of a hundred, far beyond all there ever was."""

    def few(column: pa.ChunkedArray) -> pa.Array:
        return pa.array([value * 1000 if row % 100 == 0 else value for row, value in enumerate(column.to_pylist())])

    table = changed("amount", few)
    assert check(table, history) == {(Kind.UNIT_CHANGE, "amount"): "WARNING"}


def test_a_spelling_beside_the_old_one_is_named(history: History) -> None:
    """A category that is written in two ways at once; fewer than five rows are somebody's typing."""

    def written(column: pa.ChunkedArray, rows: int) -> pa.Array:
        pairs = enumerate(column.to_pylist())
        return pa.array([value.upper() if row < rows else value for row, value in pairs])

    half = changed("plan", lambda column: written(column, len(column) // 2))
    assert check(half, history) == {(Kind.RENAMED_CATEGORY, "plan"): "ERROR"}
    assert check(changed("plan", lambda column: written(column, 4)), history) == {}
