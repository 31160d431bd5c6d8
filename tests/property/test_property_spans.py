"""Laws of months, of what a moment knew, and of splits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcore.config.data import Data
from mlcore.core.types import SplitName
from mlcore.core.window import Grain, Months, Span, is_whole, resolve_window, shift, span_at
from mlcore.ingest.splits import for_evaluation, split_rows
from mlcore.runtime.sources.versions import Version, known_version

GRAINS: tuple[Grain, ...] = (
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
    timedelta(days=7),
    Months(1),
    Months(3),
)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))


@given(moments, st.sampled_from(GRAINS))
def test_every_moment_lies_in_one_span_and_spans_touch(moment: datetime, grain: Grain) -> None:
    """No gap, no overlap: the span after a span starts where that ends, and its start lies in itself."""
    span = span_at(moment, grain)
    assert moment in span
    assert span_at(span.start, grain) == span
    assert span_at(span.end, grain).start == span.end
    assert span_at(span.start - timedelta(microseconds=1), grain).end == span.start


@given(moments, st.integers(1, 60), st.integers(-200, 200))
def test_months_add_up(moment: datetime, count: int, times: int) -> None:
    """Months from a month's start lead to a month's start, and back."""
    start = span_at(moment, Months(1)).start
    there = shift(start, Months(count), times)
    assert (there.year * 12 + there.month) - (start.year * 12 + start.month) == count * times
    assert (there.day, there.hour) == (1, 0)
    assert shift(there, Months(count), -times) == start


@given(moments, st.sampled_from(GRAINS), st.integers(1, 30), st.integers(1, 10))
def test_windows_are_whole_spans_that_end_before_as_of(as_of: datetime, grain: Grain, train: int, judged: int) -> None:
    """As many spans as asked for, in order, evaluation after training, all known at the moment."""
    lengths = [Months(n * grain.count) if isinstance(grain, Months) else n * grain for n in (train, judged)]
    assert all(is_whole(length, grain) for length in lengths)
    window = resolve_window(as_of, grain=grain, train=lengths[0], evaluation=lengths[1], label_delay=timedelta(hours=5))
    assert (len(window.train_spans), len(window.evaluation_spans)) == (train, judged)
    assert [span_at(span.start, grain) for span in window.spans] == list(window.spans)
    assert window.spans[-1].end + timedelta(hours=5) <= as_of


NOW = datetime(2024, 6, 1, tzinfo=UTC)


@st.composite
def histories(draw: st.DrawFn) -> list[Version]:
    """Versions that were delivered, and seen some time later, one after the other."""
    hours = sorted(draw(st.lists(st.integers(0, 200), min_size=2, max_size=12, unique=True)))
    pairs = [hours[index : index + 2] for index in range(0, len(hours) - 1, 2)]
    return [
        Version(id=index, delivered=NOW + timedelta(hours=pair[0]), first_seen=NOW + timedelta(hours=pair[1]))
        for index, pair in enumerate(pairs)
    ]


@given(histories(), st.lists(st.tuples(st.integers(-100, 300), st.integers(1, 5)), min_size=1, max_size=12))
def test_a_moment_never_changes_its_mind(history: list[Version], runs: list[tuple[int, int]]) -> None:
    """Whatever runs come in between, and however many versions are seen: a run again reads what it read."""
    settled: dict[int, set[datetime]] = {}
    read: dict[datetime, int] = {}
    seen = 1
    for hour, more in runs:
        seen = min(seen + more // 2, len(history))
        as_of = NOW + timedelta(hours=hour)
        known = known_version(history[:seen], settled, as_of).id
        assert read.setdefault(as_of, known) == known
        settled.setdefault(known, set()).add(as_of)
    for as_of, known in read.items():
        assert known_version(history, settled, as_of).id == known


@given(histories(), st.lists(st.integers(-100, 300), min_size=2, max_size=10))
def test_later_moments_know_no_less(history: list[Version], hours: list[int]) -> None:
    """With the same record, a later moment never reads an older version than an earlier one that watched."""
    as_ofs = sorted(history[0].first_seen + timedelta(hours=abs(hour)) for hour in hours)
    known = [known_version(history, {}, as_of).id for as_of in as_ofs]
    assert known == sorted(known)


def test_what_is_delivered_after_a_moment_that_watched_is_not_known_to_it() -> None:
    """First seen Monday, corrected Wednesday: Tuesday reads Monday's, Thursday the corrected one."""
    monday = Version(id=1, delivered=NOW, first_seen=NOW)
    wednesday = Version(id=2, delivered=NOW + timedelta(days=2), first_seen=NOW + timedelta(days=3))
    assert known_version([monday, wednesday], {}, NOW + timedelta(days=1)).id == 1
    assert known_version([monday, wednesday], {}, NOW + timedelta(days=2, hours=1)).id == 2
    assert known_version([monday, wednesday], {}, NOW - timedelta(days=400)).id == 2
    assert known_version([monday, wednesday], {1: {NOW - timedelta(days=400)}}, NOW - timedelta(days=401)).id == 1
    assert known_version([monday, wednesday], {1: {NOW - timedelta(days=400)}}, NOW - timedelta(days=399)).id == 2


def data(split: dict[str, object]) -> Data:
    return Data.model_validate(
        {
            "source": {"type": "csv", "path": "{YYYY}-{MM}-{DD}.csv"},
            "columns": {"id": "int64", "customer": "string", "at": "timestamp", "side": "string", "y": "float64"},
            "event_timestamp": "at",
            "key": ["id"],
            "span": "P1D",
            "label": {"name": "big", "column": "y"},
            "split": split,
        }
    )


def rows(customers: list[str | None]) -> pa.RecordBatch:
    return pa.record_batch(
        {"id": pa.array(range(len(customers)), pa.int64()), "customer": pa.array(customers, pa.string())}
    )


customers = st.lists(st.one_of(st.none(), st.text(max_size=6)), min_size=1, max_size=60)


@given(customers, st.floats(0.05, 0.95), st.randoms(use_true_random=False), st.integers(1, 6))
@settings(deadline=None)
def test_one_customer_is_on_one_side_in_every_order_and_partitioning(
    names: list[str | None], share: float, random: object, parts: int
) -> None:
    """The side of a row follows from its customer alone; every row is on one side."""
    table = rows(names)
    sides = dict(zip(names, for_evaluation(table, ["customer"], share).tolist(), strict=True))
    order = np.random.default_rng(parts).permutation(len(names))
    shuffled = table.take(pa.array(order))
    for start in range(0, len(names), parts):
        part = shuffled.slice(start, parts)
        found = for_evaluation(part, ["customer"], share).tolist()
        assert found == [sides[name] for name in part["customer"].to_pylist()]
    split = split_rows(table, data({"by": "hash", "evaluation": share, "split_by": "customer"}))
    assert sum(part.num_rows for part in split.values()) == len(names)
    train, judged = (set(split[name]["customer"].to_pylist()) for name in (SplitName.TRAIN, SplitName.EVALUATION))
    assert not train & judged


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_the_share_for_evaluation_is_about_what_was_asked_for(share: float) -> None:
    """Of 50,000 keys it is within four standard deviations."""
    chosen = for_evaluation(rows(["x"] * 50_000), ["id"], share)
    assert abs(chosen.mean() - share) < 4 * (share * (1 - share) / 50_000) ** 0.5


def test_the_hash_is_the_documented_one() -> None:
    """It must never change: a customer would change sides, and models would be judged on what they have seen."""
    table = pa.table(
        {
            "s": pa.array(["é", None]),
            "i": pa.array([-1, 2], pa.int64()),
            "f": pa.array([-0.0, float("nan")]),
            "t": pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
        }
    )
    import hashlib
    import struct

    def number(value: int) -> bytes:
        return struct.pack("<q", value)

    first = b"s" + number(2) + "é".encode() + b"i" + number(-1) + b"f" + struct.pack("<d", 0.0)
    first += b"t" + number(1_704_067_200_000_000)
    second = b"n" + b"i" + number(2) + b"f" + struct.pack("<d", float("nan")) + b"t" + number(1_704_067_200_000_000)
    values = [int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") for key in (first, second)]
    for threshold in values:
        share = threshold / 2**64
        chosen = for_evaluation(table, ["s", "i", "f", "t"], share)
        assert chosen.tolist() == [value < int(share * 2**64) for value in values]


def test_a_column_says_the_side() -> None:
    """Rows that the column gives to neither side are left out, and so is the column."""
    table = rows(["a", "a", "b", "c"]).append_column("side", pa.array(["train", "train", "test", "holdout"]))
    config = data({"by": "column", "column": "side", "split_by": "customer"})
    split = split_rows(table, config)
    assert [part.num_rows for part in split.values()] == [2, 1]
    assert all(part.schema.names == ["id", "customer"] for part in split.values())


def test_a_year_of_hours_is_a_window() -> None:
    """8,760 spans, each an hour, in order."""
    window = resolve_window(
        datetime(2024, 1, 1, tzinfo=UTC),
        grain=timedelta(hours=1),
        train=timedelta(days=358),
        evaluation=timedelta(days=7),
        label_delay=timedelta(0),
    )
    assert len(window.spans) == 8_760
    assert window.spans == tuple(sorted(set(window.spans)))
    assert isinstance(window.spans[0], Span)
