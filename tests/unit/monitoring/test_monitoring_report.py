from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlcore.config.loader import load_pipeline
from mlcore.errors import ArtifactCorrupt, ArtifactMissing, DataError
from mlcore.monitoring.report import (
    MAX_CATEGORIES,
    REPORT_NAME,
    SNAPSHOT_NAME,
    read_report,
    render_html,
    report_columns,
    write_report,
)

AT = datetime(2013, 4, 1, tzinfo=UTC)
PIPELINES = Path(__file__).parents[3] / "config" / "pipelines"


def rows(seed: int, count: int = 400, **changes: Any) -> pa.Table:
    """A table with a column of every kind that Evidently has been seen to stumble over."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {
        "number": pa.array(rng.normal(size=count)),
        "integer": pa.array([None if i % 9 == 0 else int(v) for i, v in enumerate(rng.integers(0, 50, count))]),
        "flag": pa.array([None if i % 7 == 0 else bool(v) for i, v in enumerate(rng.integers(0, 2, count))]),
        "text": pa.array([f"c{v}" for v in rng.integers(0, 4, count)]),
        "constant": pa.array([1.0] * count),
    }
    return pa.table({name: column for name, column in (columns | changes).items() if column is not None})


def written(folder: Path, reference: pa.Table, current: pa.Table, columns: list[str] | None = None) -> dict[str, Any]:
    names = columns or sorted({*reference.column_names, *current.column_names})
    write_report(folder, reference=reference, current=current, columns=names, at=AT)
    return read_report(folder)


def drift_values(report: dict[str, Any]) -> dict[str, float]:
    return {item["column"]: item["value"] for item in report["metrics"] if item["type"] == "ValueDrift"}


def test_every_kind_of_column_is_reported(tmp_path: Path) -> None:
    """Nullable integers, booleans, constants and strings all have a value; nothing is left out."""
    report = written(tmp_path, rows(1), rows(2))
    assert set(drift_values(report)) == {"number", "integer", "flag", "text", "constant"}
    assert report["left_out"] == {}
    assert report["at"] == "2013-04-01T00:00:00Z"
    assert report["rows"] == {"reference": 400, "current": 400}
    assert report["missing"]["integer"][0] == pytest.approx(45 / 400)


def test_a_shift_has_a_larger_value(tmp_path: Path) -> None:
    """What Evidently says follows the data."""
    moved = rows(2, number=pa.array(np.random.default_rng(5).normal(3, 1, 400)))
    values = drift_values(written(tmp_path, rows(1), moved))
    assert values["number"] > 1
    assert values["text"] < 0.1


def test_columns_that_evidently_cannot_take_are_left_out_with_a_reason(tmp_path: Path) -> None:
    """A column without values, one that is gone, and one of another kind do not lose the report."""
    current = rows(2, integer=pa.nulls(400, pa.int64()), flag=None, text=pa.array(range(400)))
    report = written(tmp_path, rows(1), current)
    assert report["left_out"] == {
        "integer": "no value in the current data",
        "flag": "not in the current data",
        "text": "numbers on one side, text on the other",
    }
    assert report["missing"]["flag"][1] == 1.0
    assert set(drift_values(report)) == {"number", "constant"}


def test_infinity_does_not_lose_the_report(tmp_path: Path) -> None:
    """Infinite values are counted and left out of the picture, NaN is missing."""
    values = np.random.default_rng(5).normal(size=400)
    values[:3], values[3:7] = np.inf, np.nan
    report = written(tmp_path, rows(1), rows(2, number=pa.array(values)))
    assert report["infinite"]["number"] == [0, 3]
    assert report["missing"]["number"] == [0.0, pytest.approx(7 / 400)]
    assert "number" in drift_values(report)


def test_many_categories_are_bounded(tmp_path: Path) -> None:
    """Identifiers do not make the snapshot huge."""
    texts = [f"id{i}" for i in range(400)]
    written(tmp_path, rows(1, text=pa.array(texts)), rows(2, text=pa.array(texts)))
    snapshot = gzip.decompress((tmp_path / SNAPSHOT_NAME).read_bytes()).decode()
    assert sum(f'"{text}"' in snapshot for text in texts) <= MAX_CATEGORIES
    assert "(other)" in snapshot


def test_equal_samples_give_equal_bytes(tmp_path: Path) -> None:
    """Random ids and clocks of Evidently are not in the files: the folder's digest is reproducible."""
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        written(tmp_path / name, rows(1), rows(2))
        contents.append([(tmp_path / name / file).read_bytes() for file in (REPORT_NAME, SNAPSHOT_NAME)])
    assert contents[0] == contents[1]


def test_html_is_made_of_the_snapshot_alone(tmp_path: Path) -> None:
    """The page holds the columns' names and needs no network; only the two small files are kept."""
    written(tmp_path, rows(1), rows(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == [REPORT_NAME, SNAPSHOT_NAME]
    html = render_html(tmp_path)
    assert "<html" in html
    assert "integer" in html
    assert not any(f'src="http{s}://' in html for s in ("", "s"))


def test_lost_and_damaged_files_are_artifact_errors(tmp_path: Path) -> None:
    """A snapshot that was cleaned up is missing; one that was changed is corrupt."""
    with pytest.raises(ArtifactMissing):
        render_html(tmp_path)
    (tmp_path / SNAPSHOT_NAME).write_bytes(gzip.compress(json.dumps({"x": 1}).encode()))
    with pytest.raises(ArtifactCorrupt):
        render_html(tmp_path)
    (tmp_path / SNAPSHOT_NAME).write_bytes(b"no gzip")
    with pytest.raises(ArtifactCorrupt):
        render_html(tmp_path)
    (tmp_path / REPORT_NAME).write_text("[]")
    with pytest.raises(ArtifactCorrupt):
        read_report(tmp_path)


def test_nothing_to_show_is_an_error(tmp_path: Path) -> None:
    """No rows, or no column with values on both sides, is told with its reason."""
    with pytest.raises(DataError, match="no rows"):
        written(tmp_path, rows(1), rows(2, count=0))
    with pytest.raises(DataError, match="none of 1 columns"):
        written(tmp_path, rows(1), rows(2), columns=["gone"])


def test_ids_times_and_the_label_are_left_out() -> None:
    """The flights' report shows what features read, but no date, key, tail number, delay or label unless asked."""
    config = load_pipeline(PIPELINES / "flight_delays.yaml")
    columns = report_columns(config)
    assert {"carrier", "origin", "dest", "sched_dep_time", "wind_gust"} <= set(columns)
    assert not {"time_hour", "flight_date", "flight", "tailnum", "arr_delay", "arrived_late"} & set(columns)
    assert report_columns(config, extra=["arr_delay"])[-1] == "arr_delay"
