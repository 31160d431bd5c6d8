"""Formats of other packages, by the example that the documentation shows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from textwrap import dedent

import fsspec
import pytest
from support.small_data import DAY, make_data
from upath import UPath

from mlcore.ingest.examples import read_examples
from mlcore.ingest.quarantine import read_quarantine
from mlcore.ingest.spans import SpanJob, ingest_span

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to.md"


def shown() -> list[str]:
    """The blocks of code of the section on data sources."""
    section = HOW_TO.read_text(encoding="utf-8").split("## Add a data source\n", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"(?:^    .*\n|^\n(?=\n*    ))+", section, re.MULTILINE)
    return [dedent(block) for block in blocks if block.strip()]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package of the page, installed."""
    code, project = shown()
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "fixed_width.py").write_text(code, encoding="utf-8")
    about = tmp_path / "my_package-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n", encoding="utf-8")
    groups = tomllib.loads(project)["project"]["entry-points"]
    lines = [
        f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in points.items())
        for group, points in groups.items()
    ]
    (about / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("remote", [False, True])
def test_the_shown_source_runs(tmp_path: Path, remote: bool) -> None:
    """An entry point makes a type of source; good rows are Examples, the others quarantine, from wherever they are."""
    content = b"0072013-01-02T00:00:00Z\n0082013-01-02T01:00:00Z\nxxx2013-01-02T01:00:00Z\n12\n"
    place = "memory://plugins/a.txt" if remote else str(tmp_path / "a.txt")
    with fsspec.open(place, "wb") as file:
        file.write(content)
    source = {"type": "fixed_width", "path": place, "widths": {"id": 3, "at": 20}}
    columns = {"id": "int64", "at": "timestamp"}
    label = {"name": "odd", "column": "id", "above": 7}
    data = make_data(source=source, columns=columns, label=label, max_bad_fraction=0.5)
    (tmp_path / "out").mkdir()
    ingested = ingest_span(SpanJob(span=DAY, path=UPath(place), folder=tmp_path / "out"), data)
    assert ingested.quarantined == {"unparsable": 2}
    assert read_examples([tmp_path / "out"])["id"].to_pylist() == [7, 8]
    assert [(row.line, row.message) for row in read_quarantine(tmp_path / "out")] == [
        (3, "column id: 'xxx' is not a whole number of 64 bits"),
        (4, "the line is too short or too long"),
    ]


def test_a_type_that_nobody_installed_is_told() -> None:
    """With the types there are."""
    with pytest.raises(ValueError, match="no source of type 'other'; allowed: 'csv'"):
        make_data(source={"type": "other", "path": "x"})
