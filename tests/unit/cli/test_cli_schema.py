from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mlcore.cli.main import app
from mlcore.cli.schema import _described
from mlcore.config.loader import load_pipeline
from mlcore.errors import ConfigError, MlcoreError
from mlcore.schema.constraints import FloatDomain, IntDomain, Presence, StringDomain
from mlcore.schema.files import read_schema_file
from mlcore.schema.schema import Feature, Schema
from mlcore.schema.summary import FeatureType

GOOD = "kind,fare\n" + "cash,1.5\n" * 60 + "card,2.5\n" * 40
NEW = "kind,fare\n" + "cash,1.5\n" * 60 + "crypto,2.5\n" * 40


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two files and no pipeline; the commands run in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLCORE_PROJECT", str(tmp_path))
    (tmp_path / "good.csv").write_text(GOOD)
    (tmp_path / "new.csv").write_text(NEW)
    return tmp_path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(app, ["schema", *arguments])
    if isinstance(result.exception, MlcoreError):
        raise result.exception
    return result


def test_a_schema_is_inferred_from_a_file_alone(folder: Path) -> None:
    """In every form, and all forms say the same; ranges bind only where asked."""
    for name in ("s.yaml", "s.json", "s.pbtxt"):
        assert run("infer", "good.csv", "--out", name).exit_code == 0
    schemas = [read_schema_file(folder / name) for name in ("s.yaml", "s.json", "s.pbtxt")]
    assert schemas[0] == schemas[1] == schemas[2]
    fare, kind = schemas[0].features
    assert kind.string_domain == StringDomain(values=("card", "cash"))
    assert fare.presence == Presence(min_fraction=1.0, min_count=1)
    assert run("infer", "good.csv").stdout == (folder / "s.yaml").read_text()
    run("infer", "good.csv", "--enforce-ranges", "--tolerant", "--out", "r.yaml")
    tolerant = read_schema_file(folder / "r.yaml").features[0]
    assert tolerant.float_domain == FloatDomain(min=1.5, max=2.5, disallow_nan=True, disallow_inf=True)
    assert tolerant.presence == Presence(min_fraction=0.9, min_count=1, warn_fraction=1.0)


def test_schemas_are_shown_and_compared(folder: Path) -> None:
    """A table, JSON, TFX's form; the difference line by line, and its exit code."""
    run("infer", "good.csv", "--out", "a.yaml")
    run("infer", "new.csv", "--out", "b.yaml")
    assert "card, cash" in run("show", "a.yaml").stdout
    assert json.loads(run("show", "a.yaml", "--json").stdout)["features"]["fare"]["type"] == "float64"
    run("show", "a.yaml", "--out", "a.pbtxt")
    assert 'value: "card"' in (folder / "a.pbtxt").read_text()
    assert run("diff", "a.yaml", "a.pbtxt").exit_code == 0
    different = run("diff", "a.yaml", "b.yaml")
    assert different.exit_code == 1
    assert "+    string_domain: {values: [cash, crypto]}" in different.stdout


def test_an_anomaly_is_accepted_by_the_smallest_change(folder: Path) -> None:
    """Shown first, written with --yes; every other line, comments too, stays as it was."""
    path = folder / "s.yaml"
    run("infer", "good.csv", "--out", "s.yaml")
    path.write_text(path.read_text().replace("  kind:", "  # how it was paid\n  kind:   # not null"))
    before = path.read_text()
    shown = run("accept", "s.yaml", "--data", "new.csv")
    assert path.read_text() == before
    assert "+    string_domain: {values: [card, cash, crypto]}" in shown.stdout
    run("accept", "s.yaml", "--data", "new.csv", "--feature", "kind", "--yes")
    assert path.read_text() == before.replace("[card, cash]", "[card, cash, crypto]")
    checked = CliRunner().invoke(app, ["data", "validate", "new.csv", "--schema", "s.yaml"])
    assert checked.exit_code == 0


def test_anomalies_of_a_file_are_accepted(folder: Path) -> None:
    """What validate --json wrote; all of them, or those of one kind."""
    run("infer", "good.csv", "--out", "s.yaml")
    found = CliRunner().invoke(app, ["data", "validate", "new.csv", "--schema", "s.yaml", "--json"])
    (folder / "found.json").write_text(found.stdout)
    run("accept", "s.yaml", "--anomalies", "found.json", "--yes")
    kind = read_schema_file(folder / "s.yaml").feature("kind")
    assert kind is not None
    assert kind.string_domain == StringDomain(values=("card", "cash", "crypto"))
    with pytest.raises(ConfigError, match="no such anomaly"):
        run("accept", "s.yaml", "--anomalies", "found.json", "--feature", "fare")
    (folder / "found.json").write_text("{}")
    with pytest.raises(ConfigError, match="no list of anomalies"):
        run("accept", "s.yaml", "--anomalies", "found.json")


def test_what_cannot_be_done_is_told(folder: Path) -> None:
    """A schema that is not there, an anomaly that is not named, or is of no known kind."""
    run("infer", "good.csv", "--out", "s.yaml")
    with pytest.raises(ConfigError, match="no schema 'x'"):
        run("show", "x")
    with pytest.raises(ConfigError, match="which anomaly"):
        run("accept", "s.yaml")
    with pytest.raises(ConfigError, match="no kind of anomaly"):
        run("accept", "s.yaml", "--feature", "fare", "--reason", "WRONG")
    run(
        "accept",
        "s.yaml",
        "--feature",
        "fare",
        "--reason",
        "SCHEMA_MISSING_COLUMN",
        "--environment",
        "SERVING",
        "--yes",
    )
    assert "not_in_environment: [SERVING]" in (folder / "s.yaml").read_text()


def test_a_frozen_schema_knows_what_the_pipeline_file_says() -> None:
    """Docs come from there, and a key has no range: new rows have new keys."""
    config = load_pipeline(Path(__file__).parents[3] / "config" / "pipelines" / "flight_delays.yaml")
    bounds = IntDomain(min=1, max=9)
    names = ("flight", "sched_dep_time")
    found = Schema(features=tuple(Feature(name=name, type=FeatureType.INT, int_domain=bounds) for name in names))
    flight, departure = _described(found, config).features
    assert (flight.int_domain, departure.int_domain) == (None, bounds)
    assert departure.doc == "Scheduled departure, local"
