"""``mlcore data validate``: exit codes, JSON, formats, and what the file itself tells."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from mlcore.cli.main import app

SCHEMA = """
feature { name: "id" type: INT presence { min_fraction: 1.0 min_count: 1 } shape { dim { size: 1 } } }
feature { name: "city" type: BYTES domain: "city" presence { min_fraction: 1.0 min_count: 1 } shape { dim { size: 1 } }
  skew_comparator { infinity_norm { threshold: 0.2 } } }
feature { name: "price" type: FLOAT presence { min_count: 1 } value_count { min: 1 max: 1 }
  float_domain { min: 0.0 disallow_nan: true }
  drift_comparator { jensen_shannon_divergence { threshold: 0.1 } } }
feature { name: "label" type: INT presence { min_count: 1 } not_in_environment: "SERVING" }
string_domain { name: "city" value: "Berlin" value: "Paris" }
default_environment: "TRAINING"
default_environment: "SERVING"
dataset_constraints { num_examples_version_comparator { min_fraction_threshold: 0.5 } }
"""


def rows(number: int = 100, **changes: Any) -> dict[str, list[Any]]:
    return {
        "id": list(range(number)),
        "city": ["Berlin", "Paris"] * (number // 2),
        "price": [1.5 + i % 10 for i in range(number)],
        "label": [i % 2 for i in range(number)],
        **changes,
    }


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Result]:
    (tmp_path / "schema.pbtxt").write_text(SCHEMA)

    def call(columns: dict[str, list[Any]] | None, *arguments: str, **others: dict[str, list[Any]]) -> Result:
        if columns is not None:
            pyarrow.csv.write_csv(pa.table(columns), tmp_path / "data.csv")
        options = list(arguments)
        for name, table in others.items():
            pyarrow.csv.write_csv(pa.table(table), tmp_path / f"{name}.csv")
            options += [f"--{name.replace('_', '-')}", str(tmp_path / f"{name}.csv")]
        file = str(tmp_path / "data.csv")
        return CliRunner().invoke(app, ["data", "validate", file, "--schema", str(tmp_path / "schema.pbtxt"), *options])

    return call


def reasons(result: Result) -> list[tuple[str | None, str]]:
    assert result.exit_code == 1, result.output
    return [(found["feature"], found["reason"]) for found in json.loads(result.stdout)]


def test_clean_data_is_exit_code_0(run: Callable[..., Result]) -> None:
    """Nothing found is an empty list, and a word for people."""
    assert run(rows(), "--json").exit_code == 0
    assert json.loads(run(rows(), "--json").stdout) == []
    assert "clean" in run(rows()).stdout


def test_anomalies_are_exit_code_1(run: Callable[..., Result]) -> None:
    """The list has what CI needs, rows that show it, and the command that accepts it."""
    result = run(rows(city=["Berlin", "Rome"] * 50), "--json", "--key", "id")
    (found,) = json.loads(result.stdout)
    assert result.exit_code == 1
    assert {name: found[name] for name in ("feature", "reason", "severity", "source")} == {
        "feature": "city",
        "reason": "ENUM_TYPE_UNEXPECTED_STRING_VALUES",
        "severity": "ERROR",
        "source": "tfdv",
    }
    assert found["observed"] == {"Rome": 50}
    assert found["examples"] == [{"city": "Rome", "id": str(number)} for number in (1, 3, 5)]
    assert "mlcore schema accept" in found["remedy"]
    assert found["description"]
    assert found["expected"]
    assert "Rome" in run(rows(city=["Berlin", "Rome"] * 50)).stdout


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"new": ["x"] * 100}, [("new", "SCHEMA_NEW_COLUMN")]),
        ({"id": ["x"] * 100}, [("id", "UNEXPECTED_DATA_TYPE")]),
        ({"id": [0.5] * 100}, [("id", "UNEXPECTED_DATA_TYPE")]),
        ({"price": list(range(100))}, [("price", "UNEXPECTED_DATA_TYPE")]),
        ({"city": list(range(100))}, [("city", "UNEXPECTED_DATA_TYPE")]),
        ({"city": ["Berlin "] + ["Paris"] * 99}, [("city", "ENUM_TYPE_UNEXPECTED_STRING_VALUES")]),
        ({"city": ["true"] * 100}, [("city", "ENUM_TYPE_UNEXPECTED_STRING_VALUES")]),
        ({"price": [float("nan")] + [1.5] * 99}, [("price", "FLOAT_TYPE_HAS_NAN")]),
        ({"price": [-0.5] + [1.5] * 99}, [("price", "FLOAT_TYPE_SMALL_FLOAT")]),
        ({"price": [None] * 100}, [("price", "FEATURE_TYPE_NOT_PRESENT")]),
        (
            {"id": [None, *range(99)]},
            [("id", "INVALID_FEATURE_SHAPE"), ("id", "FEATURE_TYPE_LOW_FRACTION_PRESENT")],
        ),
    ],
)
def test_text_is_typed_as_tfdv_types_it(
    run: Callable[..., Result], changes: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    """Whole numbers, numbers, strings; an empty cell is missing, nan is a number, spaces are kept."""
    found = reasons(run(rows(**changes), "--json"))
    assert [item for item in found if item[1] != "RENAMED_CATEGORY"] == expected


def test_our_own_schema_may_say_that_digits_are_a_string(run: Callable[..., Result], tmp_path: Path) -> None:
    """A post code is what the YAML says it is; TFX's schema knows no such columns in a CSV file."""
    (tmp_path / "own.yaml").write_text(
        "version: 2\nfeatures:\n  code: {type: string}\n  day: {type: date}\n  price: {type: float64}\n"
    )
    (tmp_path / "tfx.pbtxt").write_text(
        'feature { name: "code" type: BYTES } feature { name: "day" type: BYTES } feature { name: "price" type: FLOAT }'
    )
    columns = {"code": ["01234", "10115"], "day": ["2024-01-01", "2024-01-02"], "price": [1, 2]}
    assert run(columns, "--schema", str(tmp_path / "own.yaml")).exit_code == 0
    assert reasons(run(columns, "--schema", str(tmp_path / "tfx.pbtxt"), "--json")) == [
        ("code", "UNEXPECTED_DATA_TYPE"),
        ("price", "UNEXPECTED_DATA_TYPE"),
    ]


def test_what_it_is_compared_with(run: Callable[..., Result]) -> None:
    """Drift, skew and versions each have their file."""
    steep = rows(price=[50.5 + i for i in range(100)])
    assert reasons(run(steep, "--json", previous=rows())) == [("price", "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH")]
    one_sided = rows(city=["Paris"] * 100)
    assert ("city", "COMPARATOR_L_INFTY_HIGH") in reasons(run(rows(), "--json", serving=one_sided))
    assert reasons(run(rows(10), "--json", previous_version=rows())) == [(None, "COMPARATOR_LOW_NUM_EXAMPLES")]


def test_environments_leave_features_out(run: Callable[..., Result]) -> None:
    """The serving data has no label; in training it must be there."""
    serving = rows()
    del serving["label"]
    assert run(serving, "--environment", "SERVING").exit_code == 0
    assert reasons(run(serving, "--environment", "TRAINING", "--json")) == [("label", "SCHEMA_MISSING_COLUMN")]
    assert run(serving, "--environment", "STAGING").exit_code == 2


def test_a_file_without_rows_is_an_error(run: Callable[..., Result], tmp_path: Path) -> None:
    """An empty file and one of a header alone are anomalies, not failures to check."""
    assert reasons(run(rows(0), "--json")) == [(None, "DATASET_EMPTY")]
    (tmp_path / "data.csv").write_bytes(b"")
    assert reasons(run(None, "--json")) == [(None, "DATASET_EMPTY")]


def test_our_own_findings_are_told_apart(run: Callable[..., Result]) -> None:
    """A renamed category beside TFDV's reason for it; duplicates of a key; events of the future."""
    result = run(rows(city=["BERLIN", "PARIS"] * 50), "--json")
    assert [(found["reason"], found["source"]) for found in json.loads(result.stdout)] == [
        ("ENUM_TYPE_UNEXPECTED_STRING_VALUES", "tfdv"),
        ("RENAMED_CATEGORY", "mlcore"),
    ]
    assert reasons(run(rows(id=[1] * 100), "--json", "--key", "id")) == [(None, "DUPLICATE_KEYS")]
    timed = rows(at=["2024-01-01T00:00:00Z"] * 100)
    moment = ("--event-timestamp", "at", "--as-of", "2023-12-31T00:00Z", "--json")
    assert ("at", "FUTURE_EVENTS") in reasons(run(timed, *moment))


def test_a_column_that_is_the_label_is_a_leak(run: Callable[..., Result]) -> None:
    """It is told by the statistics of the file alone; an identifier tells nothing."""
    leaky = rows(400, answer=["yes" if i % 2 else "no" for i in range(400)])
    assert ("answer", "LABEL_LEAKAGE") in reasons(run(leaky, "--json", "--label", "label"))
    assert ("id", "LABEL_LEAKAGE") not in reasons(run(leaky, "--json", "--label", "label"))


def test_infinity_has_a_sign(run: Callable[..., Result]) -> None:
    """Infinity is above every bound, its negative below: here there is a lower one alone."""
    assert run(rows(price=[float("inf")] + [1.5] * 99)).exit_code == 0
    below = rows(price=[float("-inf")] + [1.5] * 99)
    assert reasons(run(below, "--json")) == [("price", "FLOAT_TYPE_SMALL_FLOAT")]


def test_advice_alone_is_clean_unless_strict(run: Callable[..., Result]) -> None:
    """A WARNING of our own does not fail a check; with --strict it does."""
    columns = rows(2000, id=[0, *range(1999)])
    assert run(columns, "--key", "id").exit_code == 0
    assert run(columns, "--key", "id", "--strict").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--key", "nope"], "nope"),
        (["--as-of", "2024-01-01T00:00Z"], "--event-timestamp"),
        (["--as-of", "yesterday", "--event-timestamp", "id"], "ISO 8601"),
        (["--previous", "missing.csv"], "missing.csv"),
        (["--schema", "missing.pbtxt"], "missing.pbtxt"),
    ],
)
def test_what_cannot_be_checked_is_exit_code_2(run: Callable[..., Result], arguments: list[str], message: str) -> None:
    """What is asked for and is not there: exit code 2, a message, nothing on stdout."""
    result = run(rows(), *arguments, "--json")
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("content", [b"PAR1 no", b'id,city\n"1,2', b"a,b\n1\n", b"\xff\xfe\x00", b"a,a\n1,2\n"])
def test_rubbish_cannot_be_checked(run: Callable[..., Result], tmp_path: Path, content: bytes) -> None:
    """Whatever the bytes, the answer is a message or anomalies, never a traceback."""
    for name in ("data.csv", "data.parquet", "data.jsonl"):
        (tmp_path / name).write_bytes(content)
        arguments = ["data", "validate", str(tmp_path / name), "--schema", str(tmp_path / "schema.pbtxt"), "--json"]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code in (1, 2)
        assert result.exception is None or isinstance(result.exception, SystemExit)


def test_every_format_is_read(run: Callable[..., Result], tmp_path: Path) -> None:
    """Parquet, JSON Lines and compressed CSV give the same verdict as CSV."""
    run(rows())
    table = pa.table(rows())
    pq.write_table(table, tmp_path / "data.parquet")
    lines = "".join(json.dumps(row) + "\n" for row in table.to_pylist())
    (tmp_path / "data.jsonl").write_text(lines)
    (tmp_path / "data.csv.gz").write_bytes(gzip.compress((tmp_path / "data.csv").read_bytes()))
    for name in ("data.parquet", "data.jsonl", "data.csv.gz"):
        arguments = ["data", "validate", str(tmp_path / name), "--schema", str(tmp_path / "schema.pbtxt")]
        result = CliRunner().invoke(app, arguments)
        assert (name, result.exit_code, result.stderr) == (name, 0, "")


def test_bad_rows_are_told_and_the_others_checked(run: Callable[..., Result], tmp_path: Path) -> None:
    """A ragged line is an anomaly with its file, line and reason; too many of them are exit code 2."""
    run(rows(200))
    with (tmp_path / "data.csv").open("a", encoding="utf-8") as file:
        file.write("1,Berlin\n")
    result = run(None, "--json")
    assert reasons(result) == [(None, "BAD_ROWS")]
    (found,) = json.loads(result.stdout)
    assert found["observed"] == {"ragged": 1}
    assert found["source"] == "mlcore"
    assert (found["examples"][0]["line"], found["examples"][0]["reason"]) == ("202", "ragged")
    assert found["examples"][0]["file"].endswith("data.csv")
    refused = run(None, "--max-bad-fraction", "0.001")
    assert refused.exit_code == 2
    assert "data.csv:202" in refused.stderr


def test_globs_folders_and_urls_are_checked(run: Callable[..., Result], tmp_path: Path) -> None:
    """Wherever a file may be named, what stands for several files may be."""
    (tmp_path / "parts").mkdir()
    for number in range(2):
        pyarrow.csv.write_csv(pa.table(rows()), tmp_path / "parts" / f"{number}.csv")
    with fsspec.open("memory://validate/steep.csv", "wb") as file:
        pyarrow.csv.write_csv(pa.table(rows(price=[50.5 + i for i in range(100)])), file)
    schema = ["--schema", str(tmp_path / "schema.pbtxt")]
    for place in (str(tmp_path / "parts"), str(tmp_path / "parts" / "*.csv")):
        assert CliRunner().invoke(app, ["data", "validate", place, *schema]).exit_code == 0
    drift = [
        "data",
        "validate",
        "memory://validate/steep.csv",
        *schema,
        "--json",
        "--previous",
        str(tmp_path / "parts"),
    ]
    assert reasons(CliRunner().invoke(app, drift)) == [("price", "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH")]
    assert CliRunner().invoke(app, ["data", "validate", str(tmp_path / "no*.csv"), *schema]).exit_code == 2
