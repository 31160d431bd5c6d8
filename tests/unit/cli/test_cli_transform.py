"""``mlcore transform``: the graph of a pipeline file or of a folder, and the list of mappers."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pyarrow as pa
import pytest
from support.project import PIPELINE
from typer.testing import CliRunner, Result

from mlcore.cli.transform import transform
from mlcore.config.loader import load_pipeline
from mlcore.errors import ConfigError, MlcoreError
from mlcore.transform.describe import reference
from mlcore.transform.fitting import fit
from mlcore.transform.graph import write_graph
from mlcore.transform.mappers import mappers
from mlcore.transform.specs import specs_of
from mlcore.transform.state import analyze

FEATURES = """\
  colour: {transform: one_hot, doc: "What it looks like", owner: painters}
  size: {transform: [{impute: {indicator: true}}, scale_to_z_score]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one pipeline that never ran."""
    pipelines = tmp_path / "config" / "pipelines"
    pipelines.mkdir(parents=True)
    text = dedent(PIPELINE).replace(
        "  colour: {transform: vocabulary}\n  size: {transform: scale_to_z_score}\n", FEATURES
    )
    (pipelines / "tiny.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLCORE_PROJECT", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(transform, list(arguments))
    if isinstance(result.exception, MlcoreError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def fitted(folder: Path) -> Path:
    """The folder of a graph, fitted on three rows; one of the values would steer a terminal."""
    specs = specs_of(load_pipeline(folder / "config" / "pipelines" / "tiny.yaml"))
    rows = pa.table({"colour": ["red", "red", "\x1b[31mevil"], "size": [1.0, None, 3.0]})
    (folder / "graph").mkdir()
    write_graph(folder / "graph", fit(specs, analyze(rows, specs)))
    return folder / "graph"


def test_the_plan_of_a_pipeline_file(folder: Path) -> None:
    """Columns, steps, what they will learn, owner and doc; no database is asked."""
    shown = run("show", "tiny", "--plan").stdout
    for words in (
        "colour  painters  What it looks like",
        "colour (string)",
        "one_hot",
        "learns values: those with a column of their own, in order",
        "several columns, known when it is fitted",
        "impute indicator=True",
        "y = (x - mean) / standard_deviation",
        "-> size, size_missing",
    ):
        assert words in shown
    assert "What it looks like" not in run("show", "tiny", "--plan", "--feature", "size").stdout


def test_a_fitted_graph_shows_its_constants(folder: Path) -> None:
    """As text, without what could steer a terminal, and as JSON in full."""
    graph = fitted(folder)
    shown = run("show", str(graph)).stdout
    assert "mean = 2" in shown
    assert "\x1b[31m" not in shown
    assert "-> colour=red, colour=\\x1b[31mevil, colour=(other)" in shown
    found = json.loads(run("show", str(graph), "--json").stdout)["features"]
    assert found[0]["outputs"] == ["colour=red", "colour=\x1b[31mevil", "colour=(other)"]
    assert [step["constants"] for step in found[1]["steps"]] == [
        {"value": 2.0},
        {"mean": 2.0, "standard_deviation": pytest.approx((2 / 3) ** 0.5)},
    ]


def test_what_cannot_be_shown_is_named(folder: Path) -> None:
    """No such pipeline, a folder of something else, no such feature."""
    with pytest.raises(ConfigError, match="there is no pipeline 'huge'"):
        run("show", "huge")
    with pytest.raises(ConfigError, match="the folder holds no transform graph"):
        run("show", str(folder))
    with pytest.raises(ConfigError, match=r"no such feature: \['weight'\]"):
        run("show", "tiny", "--plan", "--feature", "weight")


def test_every_mapper_is_listed() -> None:
    """With its options, as a table and as JSON."""
    listed = {one["name"]: one for one in json.loads(run("mappers", "--json").stdout)}
    assert set(listed) == set(mappers())
    assert listed["clip"]["options"]["low"]["description"] == "No number stays below it"
    assert "target_encoding" in run("mappers").stdout


def test_the_reference_is_what_the_code_says() -> None:
    """docs/reference/transform.md ends with the list that ``mlcore transform mappers --markdown`` prints."""
    page = Path(__file__).parents[3] / "docs" / "reference" / "transform.md"
    said = page.read_text(encoding="utf-8")
    assert said.endswith("## Mappers\n\n" + reference().rstrip() + "\n"), "run mlcore transform mappers --markdown"
    assert run("mappers", "--markdown").stdout.rstrip() == reference().rstrip()
    for name, mapper in mappers().items():
        fields = mapper.options_model.model_fields
        assert all(field.description for field in fields.values()), f"{name} has an option that nobody explains"
        assert mapper.formula, f"{name} has no formula"
