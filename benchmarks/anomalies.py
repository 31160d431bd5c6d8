"""What is found, and what is wrongly accused, in a year of real flights.

    python benchmarks/anomalies.py [--every 26]

Every day of 2013 from the ninth on is judged by itself against up to 56 days before it and the tolerant schema of the
first sixty days, as ExampleValidator does; then faults of known kinds are put into some of the days. It prints on how
many days each kind was found, and what else was. About three CPU minutes.

    python benchmarks/anomalies.py --columns 10000

Instead checks a CSV file of so many columns and a hundred rows with ``--previous``, as ``mlcore data validate`` does,
and prints CPU seconds and peak memory.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from mlcore.components.summaries import dataset_summary
from mlcore.config.loader import load_pipeline
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.window import Interval, Span, parse_moment
from mlcore.demo.flights import lay_out
from mlcore.ingest.examples import read_examples
from mlcore.ingest.spans import SpanJob, ingest_spans
from mlcore.schema.anomalies import Anomaly
from mlcore.schema.findings import findings
from mlcore.schema.history import Expectations, History
from mlcore.schema.infer import TOLERANT, infer
from mlcore.schema.rows import duplicate_keys
from mlcore.schema.schema import Schema
from mlcore.schema.summary import DatasetSummary
from mlcore.schema.tolerance import LENIENT
from mlcore.schema.validate import validate, without_usual_gaps
from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.options import StatisticsOptions

PIPELINE = Path(__file__).parents[1] / "config" / "pipelines" / "flight_delays.yaml"
FIRST, TRAINED, REMEMBERED = 8, 60, 56
Fault = Callable[[pa.Table, np.random.Generator], pa.Table]


@dataclass
class Year:
    """The days, their statistics, and what they are judged by."""

    config: PipelineConfig
    spans: Sequence[Span]
    tables: Sequence[pa.Table]
    accumulated: Sequence[DatasetAccumulator]
    summaries: Sequence[DatasetSummary]
    schema: Schema

    def history(self, day: int) -> History:
        first = max(0, day - REMEMBERED)
        reference = dataset_summary("training", DatasetAccumulator.merge(self.accumulated[first:day]))
        return History(reference=reference, spans=tuple(self.summaries[first:day]))

    def summary(self, day: int, table: pa.Table) -> DatasetSummary:
        options = StatisticsOptions(label=self.config.data.label.name, end=self.spans[day].end)
        return dataset_summary(
            self.spans[day].label, DatasetAccumulator.of(table.to_batches(), options), span=self.spans[day]
        )

    def judge(self, summary: DatasetSummary, history: History, duplicates: int = 0) -> list[Anomaly]:
        data = self.config.data
        expected = Expectations(
            event_timestamp=data.event_timestamp,
            features=frozenset(self.config.feature_columns),
            label=data.label.name,
            key=data.key,
            duplicates=duplicates,
        )
        breaches = validate(summary, self.schema, spans=[summary], tolerance=LENIENT)
        own = findings(summary, self.schema, spans=[summary], history=history, expected=expected)
        return [*without_usual_gaps(breaches, history.spans), *own]


def read_year(folder: Path) -> Year:
    config = load_pipeline(PIPELINE)
    lay_out(folder / "data" / "flights")
    whole = Interval(start=parse_moment("2013-01-01T00:00Z"), end=parse_moment("2014-01-01T00:00Z"))
    spans = tuple(whole.spans(config.data.span))
    files = folder / "data" / "flights"
    jobs = [SpanJob(span=span, path=files / f"{span.label}.csv", folder=folder / span.label) for span in spans]
    for job in jobs:
        job.folder.mkdir()
    ingest_spans(jobs, config.data)
    tables = [read_examples([job.folder]) for job in jobs]
    options = [StatisticsOptions(label=config.data.label.name, end=span.end) for span in spans]
    made = [DatasetAccumulator.of(table.to_batches(), one) for table, one in zip(tables, options, strict=True)]
    summaries = [dataset_summary(span.label, one, span=span) for span, one in zip(spans, made, strict=True)]
    schema = infer(dataset_summary("training", DatasetAccumulator.merge(made[:TRAINED])), TOLERANT)
    return Year(config, spans, tables, made, summaries, schema)


def numbers(name: str, change: Callable[[np.ndarray], np.ndarray], share: float = 1.0) -> Fault:
    def fault(table: pa.Table, rng: np.random.Generator) -> pa.Table:
        before = table[name].to_numpy().astype(float)
        after = np.where(rng.random(len(before)) < share, change(before), before)
        return table.set_column(table.schema.get_field_index(name), name, pa.array(after, from_pandas=True))

    return fault


def texts(name: str, change: Callable[[str], str], share: float = 1.0) -> Fault:
    def fault(table: pa.Table, rng: np.random.Generator) -> pa.Table:
        chosen = rng.random(table.num_rows) < share
        pairs = zip(table[name].to_pylist(), chosen, strict=True)
        column = [change(value) if value is not None and hit else value for value, hit in pairs]
        return table.set_column(table.schema.get_field_index(name), name, pa.array(column, pa.string()))

    return fault


def constant(name: str) -> Fault:
    return lambda table, _: table.set_column(
        table.schema.get_field_index(name), name, pa.array([table[name].drop_null()[0].as_py()] * table.num_rows)
    )


def swapped(first: str, second: str) -> Fault:
    def fault(table: pa.Table, _: np.random.Generator) -> pa.Table:
        pair = {first: table[second], second: table[first]}
        for name, column in pair.items():
            table = table.set_column(table.schema.get_field_index(name), name, column)
        return table

    return fault


def lost(share: float) -> Fault:
    return lambda table, rng: table.filter(pa.array(rng.random(table.num_rows) >= share))


def twice(share: float) -> Fault:
    return lambda table, rng: pa.concat_tables([table, table.filter(pa.array(rng.random(table.num_rows) < share))])


def cut(hours: int) -> Fault:
    def fault(table: pa.Table, _: np.random.Generator) -> pa.Table:
        moments = table["time_hour"].to_pylist()
        end = min(moments).replace(hour=0) + timedelta(days=1)
        return table.filter(
            pc.less(table["time_hour"], pa.scalar(end - timedelta(hours=hours), table["time_hour"].type))
        )

    return fault


def later(hours: int, share: float) -> Fault:
    def fault(table: pa.Table, rng: np.random.Generator) -> pa.Table:
        moved = [
            moment + timedelta(hours=hours) if hit else moment
            for moment, hit in zip(table["time_hour"].to_pylist(), rng.random(table.num_rows) < share, strict=True)
        ]
        field = table.schema.field("time_hour")
        return table.set_column(table.schema.get_field_index("time_hour"), field, pa.array(moved, field.type))

    return fault


def leak(name: str, noise: float) -> Fault:
    def fault(table: pa.Table, rng: np.random.Generator) -> pa.Table:
        delay = table["arr_delay"].to_numpy() + rng.normal(0, noise, table.num_rows)
        return table.set_column(table.schema.get_field_index(name), name, pa.array(delay, from_pandas=True))

    return fault


FAULTS: tuple[tuple[str, str | None, str, Fault], ...] = (
    ("DATASET_EMPTY", None, "no rows", lambda table, _: table.slice(0, 0)),
    *(("STALE_EVENTS", "time_hour", f"last {hours} hours away", cut(hours)) for hours in (6, 12)),
    ("FUTURE_EVENTS", "time_hour", "1 % a day later", later(24, 0.01)),
    ("DUPLICATE_KEYS", None, "1 % twice", twice(0.01)),
    *(("CONSTANT_COLUMN", name, "one value", constant(name)) for name in ("carrier", "distance", "temp", "pressure")),
    ("SHIFTED_COLUMN", "temp", "swapped with dewp", swapped("temp", "dewp")),
    ("SHIFTED_COLUMN", "dewp", "swapped with humid", swapped("dewp", "humid")),
    ("SHIFTED_COLUMN", "pressure", "swapped with visib", swapped("pressure", "visib")),
    ("SHIFTED_COLUMN", "origin", "swapped with dest", swapped("origin", "dest")),
    ("SHIFTED_COLUMN", "sched_dep_time", "swapped with arrival", swapped("sched_dep_time", "sched_arr_time")),
    ("LABEL_LEAKAGE", "humid", "the delay itself", leak("humid", 0.0)),
    ("LABEL_LEAKAGE", "humid", "and 3 minutes' noise", leak("humid", 3.0)),
    *(
        ("UNIT_CHANGE", name, f"times {factor:g}", numbers(name, lambda column, factor=factor: column * factor))
        for name, factor in (
            ("distance", 1000), ("distance", 1.609344), ("pressure", 100), ("humid", 0.01), ("wind_speed", 1000),
            ("visib", 5280), ("sched_dep_time", 60), ("precip", 1000), ("plane_year", 1000),
        )
    ),
    *(
        ("UNIT_CHANGE", "distance", f"times 1000 in {share:.0%}", numbers("distance", lambda one: one * 1000, share))
        for share in (0.3, 0.1, 0.01)
    ),
    *(
        ("ROUNDED_VALUES", name, f"to {decimals} decimals", numbers(name, lambda one, to=decimals: np.round(one, to)))
        for name, decimals in (("temp", 0), ("humid", 1), ("pressure", 0), ("distance", -1))
    ),
    *(
        ("DAMAGED_ENCODING", "dest", f"{share:.1%}", texts("dest", lambda value: value[:-1] + "\ufffd", share))
        for share in (1.0, 0.05, 0.005)
    ),
    ("RENAMED_CATEGORY", "carrier", "lower case", texts("carrier", str.lower)),
    ("RENAMED_CATEGORY", "carrier", "lower case in a tenth", texts("carrier", str.lower, 0.1)),
    ("RENAMED_CATEGORY", "origin", "a space behind", texts("origin", lambda value: value + " ")),
    ("RENAMED_CATEGORY", "tailnum", "lower case", texts("tailnum", str.lower)),
    *(("UNUSUAL_VOLUME", None, f"{share:.0%} lost", lost(share)) for share in (0.2, 0.3, 0.5, 0.7)),
)  # fmt: skip


def count_clean(year: Year) -> None:
    days: dict[tuple[str, str], list[str]] = defaultdict(list)
    judged = range(FIRST, len(year.spans))
    for day in judged:
        found = year.judge(year.summaries[day], year.history(day))
        for kind in sorted({(anomaly.severity.value, anomaly.type.value) for anomaly in found}):
            days[kind].append(year.spans[day].label)
    print(f"{len(judged)} clean days")
    for (severity, kind), named in sorted(days.items()):
        shown = ", ".join(named[:4]) + (", ..." if len(named) > 4 else "")
        print(f"  {severity:<8} {kind:<36} {len(named):3} days {len(named) / len(judged):6.1%}  {shown}")


def count_faults(year: Year, every: int) -> None:
    rng = np.random.default_rng(7)
    chosen = range(75, len(year.spans) - 1, every)
    histories = {day: year.history(day) for day in chosen}
    usual = {day: {one.key for one in year.judge(year.summaries[day], histories[day])} for day in chosen}
    print(f"\nfaults in {len(chosen)} days each")
    for kind, feature, what, fault in FAULTS:
        severities: Counter[str] = Counter()
        beside: Counter[str] = Counter()
        for day in chosen:
            table = fault(year.tables[day], rng)
            duplicates = duplicate_keys(table, year.config.data.key) if table.num_rows else 0
            summary = year.summary(day, table) if table.num_rows else replace(year.summaries[day], rows=0, features=())
            history = histories[day]
            if kind == "LABEL_LEAKAGE":  # which is looked for in training data
                history = replace(history, reference=replace(history.reference, associations=summary.associations))
            for anomaly in year.judge(summary, history, duplicates):
                if (anomaly.type.value, anomaly.feature) == (kind, feature):
                    severities[anomaly.severity.value] += 1
                elif anomaly.key not in usual[day]:
                    beside[anomaly.type.value] += 1
        found = ", ".join(f"{count} {severity}" for severity, count in severities.most_common())
        others = ", ".join(f"{count} {name}" for name, count in beside.most_common(2))
        hits = severities.total()
        print(
            f"  {kind:<17} {feature or '-':<15} {what:<24} {hits:2}/{len(chosen)}  {found:<24} beside: {others or '-'}"
        )


def check_wide(folder: Path, columns: int, rows: int = 100) -> None:
    """What ``mlcore data validate --previous`` takes for strings and numbers in turn."""
    from mlcore.cli.data.validate import check_file
    from mlcore.schema.files import format_schema

    random = np.random.default_rng(7)
    for name in ("now", "before"):
        table = pa.table(
            {
                f"c{number}": random.choice(["x", "y", "z"], rows) if number % 2 else random.random(rows).round(4)
                for number in range(columns)
            }
        )
        pa_csv.write_csv(table, folder / f"{name}.csv")
    inferred = infer(dataset_summary("now", DatasetAccumulator.of(table.to_batches())))
    (folder / "schema.yaml").write_text(format_schema(inferred, None), encoding="utf-8")
    started = time.process_time()
    found = check_file(folder / "now.csv", folder / "schema.yaml", {"previous": folder / "before.csv"})
    took, peak = time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{columns} columns, {rows} rows: {took:.1f} CPU s, at most {peak:.0f} MB; {len(found)} anomalies")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--every", type=int, default=26, help="put faults into every so-manieth day")
    parser.add_argument("--columns", type=int, help="instead, validate a file of so many columns")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.columns:
            check_wide(Path(folder), arguments.columns)
            return
        year = read_year(Path(folder))
    count_clean(year)
    count_faults(year, arguments.every)


if __name__ == "__main__":
    main()
