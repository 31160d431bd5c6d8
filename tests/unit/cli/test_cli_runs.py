"""``mlcore run|monitor|infer``: what is refused before anything is begun."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
import typer
from support.project import PIPELINE
from typer.testing import CliRunner, Result

from mlcore.cli.runs import register
from mlcore.errors import ModelError, WindowError

APP = typer.Typer()
register(APP)


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a project's only pipeline, whose folder commands are called in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLCORE_PROJECT", str(tmp_path))
    path = tmp_path / "config" / "pipelines" / "tiny.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(dedent(PIPELINE), encoding="utf-8")
    return path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(APP, [*arguments])


@pytest.mark.parametrize("verb", ["run", "monitor", "infer"])
def test_a_moment_of_the_future_is_refused(pipeline: Path, verb: str) -> None:
    """A mistyped year is an error at once: nothing waits for it, and nothing is fixed as what it knew."""
    if verb == "infer":
        pipeline.write_text(dedent(PIPELINE) + 'inference: {schedule: "0 6 * * *"}\n', encoding="utf-8")
    done = call(verb, "tiny", "--at", "2924-01-10T06:00Z")
    assert isinstance(done.exception, WindowError)
    assert "2924-01-10T06:00:00Z is in the future" in str(done.exception)


def test_a_misspelt_estimator_is_told_before_any_data_is_read(pipeline: Path) -> None:
    """What can be checked without data is checked first; no home is made for a run that cannot end."""
    text = dedent(PIPELINE).replace("HistGradientBoostingClassifier", "HistGradientBostingClassifier")
    pipeline.write_text(text, encoding="utf-8")
    done = call("run", "tiny", "--at", "2024-01-10T06:00Z")
    assert isinstance(done.exception, ModelError)
    assert "did you mean HistGradientBoostingClassifier" in str(done.exception)
    assert not (pipeline.parents[2] / ".mlcore").exists()


@pytest.mark.parametrize("option", ["--train", "--eval"])
def test_a_length_that_is_none_names_its_option(pipeline: Path, option: str) -> None:
    """Of two lengths the message says which is wrong."""
    done = call("run", "tiny", "--at", "2024-01-10T06:00Z", option, "30")
    assert f"{option} '30' is not an ISO 8601 duration" in str(done.exception)
