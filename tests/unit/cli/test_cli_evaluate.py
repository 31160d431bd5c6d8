"""``mlcore evaluate file``: its JSON, its tables, and exit code 2 where it could not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from mlcore.cli.main import app


@pytest.fixture(scope="module")
def table() -> pa.Table:
    generator = np.random.default_rng(4)
    scores = generator.beta(2, 4, 900)
    return pa.table(
        {
            "late": (generator.random(900) < scores).astype(np.int64),
            "score": scores,
            "other": np.clip(scores + generator.normal(0, 0.05, 900), 0.01, 0.99),
            "origin": np.array(["EWR", "JFK", "[x]"])[generator.integers(0, 3, 900)],
            "day": generator.integers(0, 9, 900),
            "weight": generator.integers(1, 3, 900),
        }
    )


@pytest.fixture(scope="module")
def file(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scored") / "scored.csv"
    pa.csv.write_csv(table, path)
    return path


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["evaluate", "file", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def document(*arguments: object) -> dict[str, Any]:
    code, out, err = run(*arguments, "--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_every_metric_of_every_slice(file: Path, table: pa.Table) -> None:
    """Slices by name, metrics by name, each with value, low and high; all rows are called overall."""
    found = document(file, "--label", "late", "--score", "score", "--slice", "origin", "--slice", "origin,day")
    slices = found["slices"]
    assert set(slices) > {"overall", "origin=EWR", "origin=JFK", "origin=[x]", "origin=EWR,day=3"}
    assert len(slices) == 1 + 3 + 27
    expected = roc_auc_score(table["late"].to_numpy(), table["score"].to_numpy())
    area = slices["overall"]["roc_auc"]
    assert set(area) == {"value", "low", "high"}
    assert area["value"] == pytest.approx(expected)
    assert area["low"] < expected < area["high"]
    assert {"log_loss", "brier", "precision", "recall", "f_beta", "calibration"} <= set(slices["origin=JFK"])
    assert sum(found["rows"][f"origin={origin}"] for origin in ("EWR", "JFK", "[x]")) == 900
    assert "differences" not in found


def test_differences_from_a_baseline(file: Path) -> None:
    """With a baseline there are paired differences, narrower than the metrics' own intervals."""
    found = document(file, "--label", "late", "--score", "score", "--baseline-score", "other", "--slice", "origin")
    difference, own = found["differences"]["overall"]["log_loss"], found["slices"]["overall"]["log_loss"]
    assert difference["high"] < 0
    assert difference["high"] - difference["low"] < own["high"] - own["low"]
    assert set(found["differences"]) == set(found["slices"])


def test_weights_clusters_and_chosen_metrics(file: Path) -> None:
    """Only the metrics that are named are there; clusters widen intervals or narrow them, and leave values."""
    chosen = ("--metric", "brier", "--metric", "lift(top=0.2)", "--slice", "day[3,6]")
    plain = document(file, "--label", "late", "--score", "score", *chosen)
    assert set(plain["slices"]["overall"]) == {"brier", "lift(top=0.2)"}
    assert set(plain["slices"]) == {"overall", "day[3,6]=below 3", "day[3,6]=3 to 6", "day[3,6]=from 6"}
    clustered = document(file, "--label", "late", "--score", "score", *chosen, "--cluster", "day")
    brier, by_day = (found["slices"]["overall"]["brier"] for found in (plain, clustered))
    assert brier["value"] == by_day["value"]
    assert brier["high"] != by_day["high"]
    weighted = document(file, "--label", "late", "--score", "score", *chosen, "--weight", "weight")
    assert weighted["slices"]["overall"]["brier"]["value"] != brier["value"]


def test_other_tasks(file: Path, table: pa.Table, tmp_path: Path) -> None:
    """Numbers are a regression, several scores several classes, a query a ranking."""
    regression = document(file, "--label", "score", "--score", "other")
    assert regression["task"] == "regression"
    assert {"mae", "rmse", "r2", "smape"} <= set(regression["slices"]["overall"])
    ranking = document(file, "--label", "late", "--score", "score", "--query", "day")
    assert {"ndcg", "mrr", "mean_average_precision"} <= set(ranking["slices"]["overall"])
    path = tmp_path / "classes.parquet"
    rest = pa.array(1 - table["score"].to_numpy())
    named = pa.array(np.where(table["late"].to_numpy() == 1, "late", "in time"))
    pq.write_table(table.append_column("rest", rest).append_column("class", named), path)
    classes = ("--score", "rest", "--score", "score", "--class", "in time", "--class", "late")
    multiclass = document(path, "--label", "class", *classes)
    binary = document(file, "--label", "late", "--score", "score")
    for name in ("roc_auc", "log_loss", "brier", "accuracy"):
        value = multiclass["slices"]["overall"][name]["value"]
        assert value == pytest.approx(binary["slices"]["overall"][name]["value"]), name


def test_table_for_people(file: Path) -> None:
    """Without --json the same is a table, and a value that looks like markup is shown as it is."""
    code, out, _ = run(file, "--label", "late", "--score", "score", "--metric", "brier", "--slice", "origin")
    assert code == 0
    assert "all rows" in out
    assert "origin=[x]" in out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--label", "nothing", "--score", "score"), "there is no column 'nothing'"),
        (("--label", "late", "--score", "origin"), "not scores"),
        (("--label", "origin", "--score", "score"), "are strings"),
        (("--label", "late", "--score", "day"), "no probability"),
        (("--label", "late", "--score", "score", "--slice", "town"), "'town' is not among"),
        (("--label", "late", "--score", "score", "--slice", "day[6,3]"), "must ascend"),
        (("--label", "late", "--score", "score", "--metric", "rocauc"), "did you mean roc_auc"),
        (("--label", "late", "--score", "score", "--metric", "rmsle"), "there is no metric"),
        (("--label", "late", "--score", "score", "--metric", "ndcg"), "no meaning for binary"),
        (("--label", "late", "--score", "score", "--confidence", "95"), "--confidence is 95"),
        (("--label", "late", "--score", "score", "--score", "other"), "2 columns of scores and 0 classes"),
        (("--label", "late", "--score", "score", "--task", "guessing"), "no task"),
    ],
)
def test_what_cannot_be_evaluated_is_exit_code_2(file: Path, arguments: tuple[str, ...], text: str) -> None:
    """What is wrong is one sentence on stderr, nothing on stdout, and exit code 2."""
    code, out, err = run(file, *arguments)
    assert (code, out) == (2, "")
    assert text in err


SCORES = np.linspace(0.01, 0.99, 60)
HOSTILE: dict[str, tuple[dict[str, object], tuple[str, ...], str]] = {
    "a score that is no number": ({"s": np.where(SCORES > 0.9, np.nan, SCORES)}, (), "no number in row 55"),
    "a score above 1": ({"s": SCORES + 0.05}, (), "1.00678 in row 58, which is no probability (3 such rows)"),
    "a score below 0": ({"s": SCORES - 0.02}, (), "-0.01 in row 1"),
    "an infinite prediction": ({"s": np.full(60, np.inf), "y": SCORES * 9}, (), "inf in row 1, which is no score"),
    "a prediction too large": ({"s": SCORES * 1e300, "y": SCORES * 9}, (), "its square is no number"),
    "a label too large": ({"y": SCORES * 1e300}, (), "column 'y' holds 1e+298 in row 1"),
    "a baseline without a score": ({"b": pa.nulls(60, pa.float64())}, ("--baseline-score", "b"), "'b' holds no number"),
    "no label": ({"y": pa.nulls(60, pa.int64())}, (), "none of the 60 rows has a label in 'y'"),
    "no rows": ({"y": np.zeros(0, np.int64), "s": np.zeros(0)}, (), "none of the 0 rows has a label"),
    "no weight": ({"w": np.zeros(60)}, ("--weight", "w"), "a weight in 'w' above 0"),
    "weights below 0": ({"w": SCORES - 0.5}, ("--weight", "w"), "a weight is missing, below 0 or infinite"),
    "weights missing": ({"w": pa.array([None, 1.0] * 30)}, ("--weight", "w"), "a weight is missing"),
    "weights that are words": ({"w": ["much"] * 60}, ("--weight", "w"), "numbers, not string"),
    "scores that are words": ({"s": ["high"] * 60}, (), "holds string, not scores"),
    "slices by lists": ({"z": [[1]] * 60}, ("--slice", "z"), "cannot be read"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_columns_are_told_by_name(what: str, tmp_path: Path) -> None:
    """What cannot be evaluated is named with its column and first row, in words of a file and not of a pipeline."""
    columns, options, text = HOSTILE[what]
    given = {"y": np.arange(60) % 2, "s": SCORES, **columns}
    path = tmp_path / "hostile.parquet"
    pq.write_table(pa.table(given), path)
    code, out, err = run(path, "--label", "y", "--score", "s", *options)
    assert (code, out) == (2, ""), what
    assert text in err
    assert "estimator" not in err
    assert "window" not in err


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "the file has no columns"),
        ("y,s\n1,0.5\n".encode("utf-16"), "are not utf-8"),
        (b"y,s\n1,0.5,3\n0,0.2\n", "the line has 3 cells"),
        (b"y,s,s\n1,0.5,0.1\n", "more than once"),
        (b"1,0.5\n0,0.2\n", "there is no column 'y'"),
        (b"y,s\n1,0.5\x00\n0,0.2\n", "not scores"),
    ],
)
def test_hostile_bytes_are_exit_code_2(data: bytes, text: str, tmp_path: Path) -> None:
    """Files that are empty, in another encoding, ragged or without a header are told as such."""
    path = tmp_path / "hostile.csv"
    path.write_bytes(data)
    code, out, err = run(path, "--label", "y", "--score", "s")
    assert (code, out) == (2, "")
    assert text in err


def test_what_some_slices_lack_is_stated(tmp_path: Path) -> None:
    """One class, one row, weights of 0, missing values and bytes that are no text: a stated reason, never a crash."""
    table = pa.table(
        {
            "y": [1, 1, 0, 1, 0, 0, 1, None],
            "s": [0.9, 0.8, 0.3, 0.6, 0.4, 0.2, 0.7, 0.5],
            "w": [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0],
            "town": pa.array([b"A", b"A", b"B", b"B", b"\xff", None, b"C", b"D"]),
        }
    )
    pq.write_table(table, tmp_path / "few.parquet")
    found = document(tmp_path / "few.parquet", "--label", "y", "--score", "s", "--slice", "town", "--weight", "w")
    assert found["rows"] == {"overall": 6, "town=b'A'": 2, "town=b'B'": 2, "town=b'\\xff'": 1, "town=missing": 1}
    assert found["missing"]["town=b'A'"]["roc_auc"] == "2 of 2 rows have the label 1: both labels are needed"
    assert "one row says nothing" in found["missing"]["town=missing"]["log_loss"]
    assert found["slices"]["town=b'B'"]["roc_auc"]["value"] == 1.0


def test_missing_file_is_exit_code_2(tmp_path: Path) -> None:
    """A file that is not there is exit code 2, too."""
    code, _, err = run(tmp_path / "none.csv", "--label", "a", "--score", "b")
    assert code == 2
    assert "none.csv" in err
