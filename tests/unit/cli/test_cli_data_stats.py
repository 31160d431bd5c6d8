"""``mlcore data stats`` and ``compare``: formats, tables, JSON, pages and exit codes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from mlcore.cli.main import app

CSV = "city,price,id\nBerlin,1.5,1\nParis,,2\nBerlin,2.5,3\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without a pipeline and without a database."""
    monkeypatch.setenv("MLCORE_PROJECT", str(tmp_path))
    monkeypatch.setenv("MLCORE_DATABASE_URL", "postgresql+psycopg2://nobody@127.0.0.1:9/nothing")
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "a.csv").write_text(CSV)
    return tmp_path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


def document(*arguments: object) -> Any:
    done = call(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_file_s_statistics_are_a_json_document(project: Path) -> None:
    """Without a pipeline and without a database."""
    found = document("stats", project / "a.csv")
    assert found["rows"] == 3
    assert found["features"]["city"]["top"] == [["Berlin", 2], ["Paris", 1]]
    price = found["features"]["price"]
    assert (price["type"], price["count"], price["missing"], price["mean"]) == ("float64", 2, 1, 2.0)


def test_every_format_gives_the_same_statistics(project: Path) -> None:
    """CSV, compressed CSV, JSON Lines and Parquet of the same rows."""
    table = pa.table({"city": ["Berlin", "Paris", "Berlin"], "price": [1.5, None, 2.5], "id": [1, 2, 3]})
    (project / "a.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    (project / "a.jsonl").write_text("\n".join(json.dumps(row) for row in table.to_pylist()))
    pq.write_table(table, project / "a.parquet")
    found = [document("stats", project / name) for name in ("a.csv", "a.csv.gz", "a.jsonl", "a.parquet")]
    assert all(each == found[0] for each in found)


def test_a_text_can_mean_missing(project: Path) -> None:
    """The column then has the type of its other values."""
    (project / "n.csv").write_text("x\n1\nNA\n3\n")
    assert document("stats", project / "n.csv")["features"]["x"]["type"] == "string"
    found = document("stats", project / "n.csv", "--null", "NA")["features"]["x"]
    assert (found["type"], found["missing"], found["mean"]) == ("int64", 1, 2.0)
    pair = (project / "n.csv", project / "n.csv")
    assert document("compare", *pair, "--null", "NA")["features"]["x"]["measure"] == "Jensen-Shannon"


def test_a_glob_is_one_dataset(project: Path) -> None:
    """All its files' rows together."""
    (project / "a2.csv").write_text(CSV)
    found = document("stats", project / "a*.csv")
    assert found["rows"] == 6
    assert found["features"]["city"]["top"] == [["Berlin", 4], ["Paris", 2]]


def test_an_address_is_read_like_a_file(project: Path) -> None:
    """Any that fsspec knows."""
    assert document("stats", f"file://{project}/a.csv") == document("stats", project / "a.csv")


def test_the_table_shows_every_column_and_no_control_character(project: Path) -> None:
    """A name cannot steer the terminal."""
    pq.write_table(pa.table({"a\x1b[31mb": [1.0], "city": ["\x1b]0;owned\x07"]}), project / "h.parquet")
    done = call("stats", project / "h.parquet")
    assert done.exit_code == 0
    assert "\x1b[31mb" not in done.stdout
    assert "\x07" not in done.stdout
    assert r"a\x1b[31mb" in done.stdout
    assert "1 rows, 2 columns" in done.stdout


def test_by_gives_every_value_of_a_column_its_own_statistics(project: Path) -> None:
    """In the table and in JSON."""
    found = document("stats", project / "a.csv", "--by", "city")
    assert [(each["value"], each["rows"]) for each in found["slices"]] == [("Berlin", 2), ("Paris", 1)]
    assert "city = Berlin: 2 rows" in call("stats", project / "a.csv", "--by", "city").stdout


def test_label_says_what_each_column_tells_of_it(project: Path) -> None:
    """A column that is the label tells all of it."""
    rows = "\n".join(f"{i % 2},{'yes' if i % 2 else 'no'},{i * 7 % 13}" for i in range(400))
    (project / "l.csv").write_text(f"label,leak,noise\n{rows}\n")
    found = {
        each["feature"]: each["strength"]
        for each in document("stats", project / "l.csv", "--label", "label")["associations"]
    }
    assert found["leak"] > 0.99
    assert found["noise"] < 0.1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone.csv"], "gone.csv"),
        (["a.csv", "--by", "nope"], "nope"),
        (["a.csv", "--label", "nope"], "nope"),
        (["a.csv", "--at", "2024-01-01T00:00Z"], "no window"),
        (["nosuch://bucket/x.csv"], "nosuch"),
        (["nosuch@2024-01-01T00:00Z"], "nosuch"),
        (["broken.parquet"], "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_told(
    project: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    """As an error with what to do next."""
    monkeypatch.chdir(project)
    (project / "broken.parquet").write_bytes(b"PAR1 not really")
    done = call("stats", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "next: " in done.stderr


def test_pages_are_written_whole_and_only_when_asked(project: Path) -> None:
    """JSON may be had with it; a folder that is not there is an error."""
    done = call("stats", project / "a.csv", "--json", "--html", project / "s.html")
    assert json.loads(done.stdout)["rows"] == 3
    assert (project / "s.html").read_text().startswith("<!doctype html>")
    assert sorted(path.name for path in project.iterdir()) == ["a.csv", "s.html"]
    assert call("stats", project / "a.csv", "--html", project / "no" / "s.html").exit_code == 2


def test_compare_sorts_by_difference(project: Path) -> None:
    """Most different first, in the table, in JSON and on the page."""
    (project / "b.csv").write_text("city,price,id\nBerlin,1.5,1\nRome,,2\nRome,2.5,3\n")
    found = document("compare", project / "a.csv", project / "b.csv", "--html", project / "c.html")
    assert list(found["features"]) == ["city", "price", "id"]
    assert found["features"]["city"]["measure"] == "L-infinity"
    assert found["features"]["city"]["value"] == "Rome"
    assert found["features"]["city"]["difference"] == pytest.approx(2 / 3)
    assert found["features"]["id"]["difference"] == 0.0
    assert (project / "c.html").exists()
    shown = call("compare", project / "a.csv", project / "b.csv").stdout
    assert shown.index("city") < shown.index("price")


def test_compare_s_exit_code_says_what_became_of_it(project: Path) -> None:
    """0 compared, 1 above the limit, 2 could not compare; a change of the missing share counts."""
    (project / "b.csv").write_text("city,price,id\nBerlin,,1\nParis,,2\nBerlin,2.5,3\n")
    pair = (project / "a.csv", project / "b.csv")
    assert call("compare", *pair).exit_code == 0
    assert call("compare", project / "a.csv", project / "a.csv", "--fail-above", "0").exit_code == 0
    exceeded = call("compare", *pair, "--fail-above", "0.3")
    assert exceeded.exit_code == 1
    assert "price" in exceeded.stderr
    assert call("compare", project / "a.csv", project / "gone.csv").exit_code == 2


def test_the_rows_of_each_value_are_compared_too(project: Path) -> None:
    """--by: what differs among the rows of one value, and values that only one side has."""
    (project / "b.csv").write_text("city,price,id\nBerlin,1.5,1\nBerlin,2.5,3\nRome,1,2\nRome,2,4\n")
    found = document("compare", project / "a.csv", project / "b.csv", "--by", "city")["slices"]
    rows = {part["value"]: (part["first_rows"], part["second_rows"]) for part in found}
    assert rows == {"Berlin": (2, 2), "Paris": (1, 0), "Rome": (0, 2)}
    berlin, paris, _ = found
    assert {name: each["difference"] for name, each in berlin["features"].items()} == {"price": 0.0, "id": 0.0}
    assert paris["features"] == {}
    shown = call("compare", project / "a.csv", project / "b.csv", "--by", "city").stdout
    assert "city = Rome: A 0 rows, B 2 rows" in shown
    assert call("compare", project / "a.csv", project / "b.csv", "--by", "gone").exit_code == 2
    assert call("compare", project / "a.csv", project / "b.csv", "--split", "train").exit_code == 2


def test_a_file_without_rows_has_statistics(project: Path) -> None:
    """Of no rows: its columns, all counts zero."""
    (project / "e.csv").write_text("city,price\n")
    found = document("stats", project / "e.csv")
    assert found["rows"] == 0
    assert list(found["features"]) == ["city", "price"]
    assert call("stats", project / "e.csv").exit_code == 0
    assert document("compare", project / "a.csv", project / "e.csv")["features"]["id"]["measure"] == "only on one side"


def test_bad_rows_of_a_file_are_left_out_and_counted(tmp_path: Path) -> None:
    """A ragged line does not end the command: it is counted and named; too many of them do."""
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 200 + "1\n", encoding="utf-8")
    found = json.loads(CliRunner().invoke(app, ["data", "stats", str(path), "--json"]).stdout)
    assert (found["rows"], found["features"]["a"]["count"]) == (200, 200)
    assert (found["bad_rows"]["count"], found["bad_rows"]["reasons"]) == (1, {"ragged": 1})
    assert (found["bad_rows"]["first"][0]["line"], found["bad_rows"]["first"][0]["file"]) == (202, str(path))
    shown = CliRunner().invoke(app, ["data", "stats", str(path)]).stdout
    assert "1 more row is bad and left out (1 ragged): first" in shown
    refused = CliRunner().invoke(app, ["data", "stats", str(path), "--max-bad-fraction", "0"])
    assert refused.exit_code == 2
    assert "t.csv:202" in refused.stderr
    assert call("stats", tmp_path / "gone.csv").exit_code == 2
    assert CliRunner().invoke(app, ["data", "compare", str(path), str(path)]).exit_code == 0
    assert CliRunner().invoke(app, ["data", "compare", str(path), str(path), "--max-bad-fraction", "0"]).exit_code == 2


@pytest.mark.parametrize("width", [50, 80, 110, 160])
def test_a_narrow_terminal_leaves_figures_out_and_cuts_no_name(
    project: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """Names and types are whole, every line fits, and what there was no room for is named."""
    (project / "wide.csv").write_text("a_column_of_a_long_name,b\n1000000.25,x\n2.5,y\n")
    monkeypatch.setattr("mlcore.cli.data.stats.console", Console(width=width))
    told = call("stats", project / "wide.csv").stdout
    lines = told.splitlines()
    assert max(map(len, lines)) <= width
    shown = "".join(line.split(" ")[0] for line in lines)
    assert "a_column_of_a_long_name" in shown
    assert "float64" in told
    assert ("no room for" in told) == (width < 110)
