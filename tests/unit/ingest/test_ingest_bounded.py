"""What ingests spans in bounded memory: hashes of keys, rows by span, and where bad rows without a moment go."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.small_data import make_data

from mlcore.core.window import Span, parse_moment
from mlcore.ingest import keys, spool
from mlcore.ingest.divisions import Divisions
from mlcore.ingest.examples import read_examples
from mlcore.ingest.formats import stream
from mlcore.ingest.keys import Keys, exact_hashes, key_hashes
from mlcore.ingest.quarantine import read_quarantine
from mlcore.ingest.spans import SpanJob, ingest_spans
from mlcore.ingest.spool import Spool

HEADER = "id,at,name,amount,day,ok,delay"
HOURS = [Span(start=parse_moment(f"2013-01-02T{hour:02}:00Z"), end=parse_moment(f"2013-01-02T{hour + 1:02}:00Z"))
         for hour in range(4)]  # fmt: skip


@pytest.fixture(params=[False, True], ids=["in memory", "on disk"])
def small_bounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether next to nothing may wait in memory."""
    if request.param:
        monkeypatch.setattr(keys, "RUN_ROWS", 64)
        monkeypatch.setattr(spool, "PENDING_BYTES", 2_000)
        monkeypatch.setattr(spool, "_MIXED_BATCH_ROWS", 7)
    return bool(request.param)


def test_repeats_are_those_a_dictionary_finds(small_bounds: bool) -> None:
    """Each row whose key an earlier one has, with the first that has it, in every mixture of types."""
    random = np.random.default_rng(1)
    batches = [
        pa.record_batch(
            {
                "text": pa.array([f"é{value}" for value in random.integers(0, 9, 50)]),
                "number": pa.array(random.integers(-3, 3, 50)),
                "real": pa.array(random.choice([0.0, -0.0, 1.5, float("nan")], 50)),
                "truth": pa.array(random.random(50) < 0.5),
            }
        )
        for _ in range(20)
    ]
    first: dict[str, int] = {}
    expected = []
    rows = [row for batch in batches for row in batch.to_pylist()]
    for number, row in enumerate(rows):
        key = repr([row["text"], row["number"], row["real"] + 0.0, row["truth"]])
        if key in first:
            expected.append((number, first[key]))
        first.setdefault(key, number)
    with Keys() as found:
        for batch in batches:
            found.add(batch, ["text", "number", "real", "truth"])
        again, of = found.repeats()
    assert list(zip(again.tolist(), of.tolist(), strict=True)) == expected


def test_equal_keys_of_different_groups_are_different() -> None:
    """A key may stand in two spans of one file; that is looked at elsewhere."""
    rows = pa.record_batch({"id": [1, 1, 1]})
    with Keys() as found:
        found.add(rows, ["id"], np.array([0, 1, 0]))
        assert found.repeats()[0].tolist() == [2]


def test_no_two_of_many_keys_have_one_hash_and_seeds_are_independent() -> None:
    """Neighbouring numbers, swapped columns and long strings are told apart."""
    ids = np.arange(200_000)
    rows = pa.record_batch({"a": ids % 500, "b": ids // 500, "c": [f"{'x' * (i % 90)}{i}" for i in ids.tolist()]})
    for columns in (["a", "b"], ["b", "a"], ["c"]):
        hashes = [key_hashes(rows, columns, seed=seed) for seed in (0, 1)]
        assert all(len(np.unique(found)) == len(ids) for found in hashes)
        assert not (hashes[0] == hashes[1]).any()
    assert not (key_hashes(rows, ["a", "b"]) == key_hashes(rows, ["b", "a"]))[1:500].any()


def test_a_spool_gives_each_part_its_rows_in_their_order(small_bounds: bool) -> None:
    """Whatever waits where, and also when parts are asked for again or out of order."""
    random = np.random.default_rng(2)
    parts = random.integers(0, 5, 1_000)
    parts[parts == 3] = 2  # nothing is of part 3
    rows = pa.record_batch({"n": np.arange(1_000), "s": [str(value) for value in range(1_000)]})
    with Spool(rows.schema, 6) as waiting:
        for start in range(0, 1_000, 90):
            waiting.add(rows.slice(start, 90), parts[start : start + 90])
        for part in (0, 1, 2, 3, 4, 5, 1, 0):
            found = [value for batch in waiting.rows(part) for value in batch.column("n").to_pylist()]
            assert found == np.flatnonzero(parts == part).tolist()


def lines_of(hours: list[int], *, first: int = 0) -> list[str]:
    return [
        f"{first + number},2013-01-02T{hour:02}:30:00Z,a,1.5,2013-01-02,true,16" for number, hour in enumerate(hours)
    ]


def ingested(folder: Path, lines: list[str], wanted: list[int]) -> dict[int, list[int]]:
    """The lines in quarantine by hour, of one file that holds them all."""
    folder.mkdir()
    path = folder / "day.csv"
    path.write_text("\n".join([HEADER, *lines]), encoding="utf-8")
    jobs = []
    for hour in wanted:
        (folder / str(hour)).mkdir()
        jobs.append(SpanJob(span=HOURS[hour], path=path, folder=folder / str(hour), shared=True))
    done = ingest_spans(jobs, make_data(span="PT1H", max_bad_fraction=0.9))
    found = {hour: [row.line for row in read_quarantine(folder / str(hour))] for hour in wanted}
    assert [sum(each.quarantined.values()) for each in done] == [len(lines) for lines in found.values()]
    return found


def test_a_row_that_nobody_can_read_is_of_its_neighbours_span(tmp_path: Path, small_bounds: bool) -> None:
    """Each unreadable or undated row is counted once: in the span of the row before it, at the top of the one after."""
    good = lines_of([2, 2, 0, 0, 1, 2])
    lines = ["x", ",", good[0], good[1], "y", *good[2:4], "8,,a,1.5,2013-01-02,true,16", good[4], good[5], "z"]
    found = ingested(tmp_path / "all", lines, [0, 1, 2, 3])
    assert found == {0: [9], 1: [], 2: [2, 3, 6, 12], 3: []}
    for hour in range(4):
        assert ingested(tmp_path / str(hour), lines, [hour]) == {hour: found[hour]}, "whoever else is asked for"


def test_many_rows_are_those_of_one_block(tmp_path: Path, small_bounds: bool) -> None:
    """Examples and quarantine have the same bytes whether rows wait in memory or on disk."""
    lines = lines_of([number * 7 % 4 for number in range(600)]) + lines_of([1] * 20, first=100)
    ingested(tmp_path / "bounds", lines, [0, 1, 2, 3])
    rows = read_examples([tmp_path / "bounds" / str(hour) for hour in range(4)])
    assert Counter(rows["id"].to_pylist()) == Counter(range(600)) + Counter(
        number for number in range(100, 120) if number * 7 % 4 != 1
    )
    table = pq.read_table(tmp_path / "bounds" / "1" / "quarantine.parquet").to_pylist()
    assert {row["reason"] for row in table} == {"duplicate_key"}
    assert [row["line"] for row in table] == [602 + place for place in range(20) if (100 + place) * 7 % 4 == 1]


def hour_digests(folder: Path, lines: list[str], wanted: list[int]) -> dict[int, str]:
    path = folder / "day.csv"
    path.write_text("\n".join([HEADER, *lines]), encoding="utf-8")
    spans = [HOURS[hour] for hour in wanted]
    with Divisions() as divisions:
        division = divisions.read(make_data(span="PT1H", max_bad_fraction=0.9), path, spans, digested=True)
        return {hour: division.digest(HOURS[hour]) for hour in wanted}


def test_the_digest_of_a_span_is_of_its_rows_alone(
    tmp_path: Path, small_bounds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the same whatever lies around them and however they are batched; other rows, or another order, are not."""
    lines = lines_of([0, 1, 2] * 50)
    before = hour_digests(tmp_path, lines, [0, 1, 2])
    assert len(set(before.values())) == 3
    monkeypatch.setattr(stream, "PIECE_BYTES", 700)
    assert hour_digests(tmp_path, sorted(lines, key=lambda line: line.split(",")[1]), [1, 0]) == {
        hour: before[hour] for hour in (0, 1)
    }
    changed = hour_digests(tmp_path, [line.replace(",a,", ",b,") if number == 1 else line
                                      for number, line in enumerate(lines)], [0, 1, 2])  # fmt: skip
    assert [hour for hour in before if changed[hour] != before[hour]] == [1]
    assert hour_digests(tmp_path, lines[::-1], [0])[0] != before[0]


def test_bad_rows_and_repeated_keys_are_content_too(tmp_path: Path, small_bounds: bool) -> None:
    """A span whose quarantine would be another is another version."""
    lines = lines_of([0, 0, 1, 1])
    before = hour_digests(tmp_path, lines, [0, 1])
    for line in ("x", lines[3]):
        after = hour_digests(tmp_path, [*lines, line], [0, 1])
        assert (after[0] == before[0], after[1] == before[1]) == (True, False)


def test_every_bit_of_a_value_counts() -> None:
    """Missing against empty, zero against minus zero, one column's value against its neighbour's."""

    def hashes(*columns: pa.Array) -> int:
        return int(exact_hashes(pa.record_batch(list(columns), [str(number) for number in range(len(columns))]))[0])

    text, real = pa.string(), pa.float64()
    assert hashes(pa.array([None], text)) != hashes(pa.array([""], text))
    assert hashes(pa.array([None], real)) != hashes(pa.array([0.0], real))
    assert hashes(pa.array([0.0], real)) != hashes(pa.array([-0.0], real))
    assert hashes(pa.array(["a"]), pa.array(["b"])) != hashes(pa.array(["b"]), pa.array(["a"]))
    assert hashes(pa.array([None], text), pa.array(["b"])) != hashes(pa.array(["b"]), pa.array([None], text))
