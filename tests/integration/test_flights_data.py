"""The year of real flights through ingest, schema and drift: 336,776 rows, as a user's data would lie."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from mlcore.cli.demo import demo
from mlcore.components.summaries import dataset_summary
from mlcore.config.loader import load_pipeline
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.window import Interval, Span, parse_moment
from mlcore.ingest.examples import FILE_NAME, iter_batches, read_examples
from mlcore.ingest.paths import span_path
from mlcore.ingest.spans import SpanJob, ingest_spans
from mlcore.monitoring.drift import FeatureDrift, detect
from mlcore.monitoring.histograms import Day, DayColumn, count_days, count_values
from mlcore.monitoring.report import report_columns
from mlcore.monitoring.sampling import sample
from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.findings import findings
from mlcore.schema.history import Expectations, History
from mlcore.schema.infer import TOLERANT, infer
from mlcore.schema.leaks.find import leaks
from mlcore.schema.leaks.rows import LeakRows
from mlcore.schema.summary import DatasetSummary, FeatureSummary, FeatureType
from mlcore.schema.tolerance import LENIENT
from mlcore.schema.validate import validate
from mlcore.statistics.accumulate import DatasetAccumulator

PROJECT = Path(__file__).parents[2]
TRAIN, EVALUATION = 60, 7
SEASONAL = ("temp", "dewp")


@pytest.fixture(scope="module")
def config() -> PipelineConfig:
    return load_pipeline(PROJECT / "config" / "pipelines" / "flight_delays.yaml")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``mlcore demo --data-only`` lays out, as somebody without Airflow begins."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MLCORE_PROJECT", str(folder))
        demo(data_only=True)
    assert not (folder / ".mlcore").exists()
    return folder


def jobs(config: PipelineConfig, project: Path, out: Path, *, until: str = "2014-01-02T00:00Z") -> list[SpanJob]:
    year = Interval(start=parse_moment("2013-01-01T00:00Z"), end=parse_moment(until))
    spans = tuple(year.spans(config.data.span))
    paths = [Path(span_path(config.data.source, span, project)) for span in spans]
    made = [SpanJob(span=span, path=path, folder=out / span.label) for span, path in zip(spans, paths, strict=True)]
    for job in made:
        job.folder.mkdir(parents=True)
    return made


@pytest.fixture(scope="module")
def days(config: PipelineConfig, project: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    work = jobs(config, project, tmp_path_factory.mktemp("examples"))
    done = ingest_spans(work, config.data)
    assert sum(span.rows for span in done) == 336_776
    assert sum(span.labelled for span in done) == 327_346
    assert not any(span.non_finite for span in done)
    return [job.folder for job in work]


@pytest.fixture(scope="module")
def statistics(days: list[Path]) -> list[DatasetAccumulator]:
    return [DatasetAccumulator.of(iter_batches([day])) for day in days]


def summary(name: str, parts: Sequence[DatasetAccumulator]) -> DatasetSummary:
    merged = DatasetAccumulator.merge(parts)
    features = []
    for column, accumulator in merged.columns.items():
        values = accumulator.values
        features.append(
            FeatureSummary(
                name=column,
                type=FeatureType(accumulator.type),
                rows=accumulator.rows,
                present=accumulator.rows - accumulator.missing,
                nan=accumulator.nan,
                infinite=accumulator.infinite,
                values=dict(zip(values.values.to_pylist(), values.counts.tolist(), strict=True))
                if accumulator.type == "string"
                else {},
                values_complete=values.complete,
            )
        )
    return DatasetSummary(name=name, rows=merged.rows, features=tuple(features))


def day_columns(day: DatasetAccumulator) -> Day:
    return {
        name: DayColumn(
            values=column.values, present=column.rows - column.missing - column.nan - column.infinite, rows=column.rows
        )
        for name, column in day.columns.items()
    }


def drift(config: PipelineConfig, reference: Sequence[Day], current: Sequence[Day]) -> list[FeatureDrift]:
    found = detect(count_values(reference, current, report_columns(config, extra=SEASONAL)), min_distance=0.1)
    return [feature for feature in found if feature.drifted]


def test_cancelled_flights_have_no_label(days: list[Path]) -> None:
    """A quarter of the flights that arrived came more than 15 minutes late; those that did not have no label."""
    table = read_examples(days, ["arr_delay", "arrived_late"])
    late = table["arrived_late"].to_numpy()
    delay = table["arr_delay"].to_numpy()
    assert np.array_equal(np.isnan(late), np.isnan(delay))
    assert np.array_equal(late[~np.isnan(late)] == 1, delay[~np.isnan(delay)] > 15)
    assert np.nanmean(late) == pytest.approx(0.2373, abs=0.001)


def test_ingesting_again_gives_the_same_bytes(
    config: PipelineConfig, project: Path, days: list[Path], tmp_path: Path
) -> None:
    """Equal source files give equal examples, byte for byte."""
    work = jobs(config, project, tmp_path, until="2013-01-08T00:00Z")
    ingest_spans(work, config.data)
    for job, day in zip(work, days, strict=False):
        assert (job.folder / FILE_NAME).read_bytes() == (day / FILE_NAME).read_bytes()


def test_no_week_of_the_year_is_stopped(statistics: list[DatasetAccumulator]) -> None:
    """Each week, checked by the schema of the 60 days before it, has at most warnings, of new airports or weather."""
    found: list[Anomaly] = []
    for start in range(0, len(statistics) - TRAIN - EVALUATION, EVALUATION):
        train = statistics[start : start + TRAIN]
        week = statistics[start + TRAIN : start + TRAIN + EVALUATION]
        schema = infer(summary("train", train), TOLERANT)
        found += validate(summary("evaluation", week), schema, tolerance=LENIENT)
    assert [str(anomaly) for anomaly in found if anomaly.severity is Severity.ERROR] == []
    assert {anomaly.feature for anomaly in found} >= {"dest", "carrier"}


def test_no_week_of_the_year_has_a_fault_that_no_schema_states(
    config: PipelineConfig, statistics: list[DatasetAccumulator]
) -> None:
    """Units, volume, freshness and the like: of every fourth week, each against the 56 days before, none is stopped."""
    start = parse_moment("2013-01-01T00:00Z")
    days = [Span(start=start + timedelta(days=day), end=start + timedelta(days=day + 1)) for day in range(364)]
    spans = [
        dataset_summary(span.label, day, span=span) for span, day in zip(days, statistics[: len(days)], strict=True)
    ]
    expected = Expectations(event_timestamp=config.data.event_timestamp)
    found: list[Anomaly] = []
    for first in range(56, len(spans) - EVALUATION, 4 * EVALUATION):
        reference = dataset_summary("training", DatasetAccumulator.merge(statistics[first - 56 : first]))
        history = History(reference=reference, spans=tuple(spans[first - 56 : first]))
        week = spans[first : first + EVALUATION]
        found += findings(week[0], infer(reference, TOLERANT), spans=week, history=history, expected=expected)
    assert [str(anomaly) for anomaly in found if anomaly.severity is Severity.ERROR] == []
    holidays = {(AnomalyType.UNUSUAL_VOLUME, day) for day in ("2013-07-04", "2013-11-29")}  # there were fewer flights
    assert {(anomaly.type, anomaly.since) for anomaly in found} <= holidays


def test_no_week_of_the_year_is_said_to_leak(config: PipelineConfig, days: list[Path]) -> None:
    """Rows before a week and rows of it, four times in the year: no feature is accused, no twins are seen."""
    data = config.data
    for start in range(TRAIN, len(days) - EVALUATION, 90):
        rows = LeakRows(
            train=read_examples(days[start - TRAIN : start]),
            evaluation=read_examples(days[start : start + EVALUATION]),
            features=(*config.feature_columns, *SEASONAL, "tailnum", "flight"),
            label=data.label.name,
            key=data.key,
            event_timestamp=data.event_timestamp,
            label_delay=data.label.delay,
        )
        assert leaks(rows) == ()


def test_weeks_exchanged_at_random_rarely_drift(config: PipelineConfig, statistics: list[DatasetAccumulator]) -> None:
    """A week drawn from the middle of its reference is the null: too many of 17 features drift in none of 40 draws."""
    year = [day_columns(day) for day in statistics]
    rng = np.random.default_rng(7)
    flagged = []
    for start in rng.integers(0, 364 - 70, 40).tolist():
        weeks = [year[start + 7 * week : start + 7 * week + 7] for week in range(10)]
        chosen = int(rng.integers(10))
        reference = [day for week, span in enumerate(weeks) if week != chosen for day in span]
        flagged.append(len(drift(config, reference, weeks[chosen])))
    assert config.monitor is not None
    assert config.monitor.drift.max_features is not None
    assert max(flagged) <= config.monitor.drift.max_features
    assert sum(count > 0 for count in flagged) <= 8


def test_another_season_drifts(config: PipelineConfig, statistics: list[DatasetAccumulator]) -> None:
    """Against January and February, a week of July is hot; the carriers are the same."""
    year = [day_columns(day) for day in statistics]
    july = (date(2013, 7, 8) - date(2013, 1, 1)) // timedelta(days=1)
    drifted = {feature.feature for feature in drift(config, year[:TRAIN], year[july : july + EVALUATION])}
    assert {"temp", "dewp"} <= drifted
    assert "carrier" not in drifted


def test_rows_and_their_statistics_are_judged_alike(
    config: PipelineConfig, days: list[Path], statistics: list[DatasetAccumulator]
) -> None:
    """Counting a day's rows gives what the day's statistics hold, for every column and day."""
    columns = report_columns(config, extra=SEASONAL)
    tables = [read_examples([day]) for day in days[:20]]
    counted = [day_columns(day) for day in statistics[:20]]
    for rows, values in zip(
        count_days(tables[:13], tables[13:], columns), count_values(counted[:13], counted[13:], columns), strict=True
    ):
        assert rows.bins == values.bins
        assert np.array_equal(rows.reference, values.reference)
        assert np.array_equal(rows.current, values.current)
        assert rows.reference.sum() == sum(table.num_rows for table in tables[:13])


def test_the_sample_is_the_same_for_every_order_of_the_days(config: PipelineConfig, days: list[Path]) -> None:
    """Sampling 20,000 of 60 days' rows does not depend on which day is read first."""
    columns = report_columns(config, extra=SEASONAL)
    needed = list(dict.fromkeys([*config.data.key, *columns]))
    first, second = (
        sample(iter_batches(order, needed), key=config.data.key, columns=columns, rows=20_000)
        for order in (days[:TRAIN], days[TRAIN - 1 :: -1])
    )
    assert first.num_rows == 20_000
    assert first.equals(second)
