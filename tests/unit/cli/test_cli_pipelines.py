"""``mlcore pipelines``: what is here, and that nothing is."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from support.project import PIPELINE
from typer.testing import CliRunner, Result

from mlcore.cli.pipelines import pipelines
from mlcore.errors import ConfigError


def call(*arguments: str) -> Result:
    """One command of the noun, in this process."""
    return CliRunner().invoke(pipelines, [*arguments])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an empty project's pipelines, from which commands are called."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLCORE_PROJECT", str(tmp_path))
    place = tmp_path / "config" / "pipelines"
    place.mkdir(parents=True)
    return place


@pytest.mark.parametrize("verb", ["list", "validate"])
def test_no_pipelines_at_all_are_an_error(folder: Path, verb: str) -> None:
    """A command from another folder says so: it does not report success about nothing."""
    done = call(verb)
    assert isinstance(done.exception, ConfigError)
    assert str(folder) in str(done.exception)
    assert "MLCORE_PROJECT" in done.exception.next_step


def test_a_broken_file_hides_no_other(folder: Path) -> None:
    """The list has the pipelines that are right, their texts as they were written, and names the one that is not."""
    text = dedent(PIPELINE).replace("name: tiny", 'name: tiny\ndescription: "[bold]when[/bold] [x]"')
    (folder / "tiny.yaml").write_text(text, encoding="utf-8")
    (folder / "broken.yaml").write_text("name: broken", encoding="utf-8")
    done = call("list")
    assert done.exit_code == 0
    assert "[bold]when[/bold] [x]" in done.stdout
    assert "broken.yaml" in done.stderr


def test_a_name_that_is_none_lists_those_there_are(folder: Path) -> None:
    """A misspelt pipeline is told with the names of the others."""
    (folder / "tiny.yaml").write_text(dedent(PIPELINE), encoding="utf-8")
    done = call("validate", "tinny")
    assert done.exit_code == 1
    assert "did you mean tiny?" in done.stdout
    assert "pipelines here: tiny;" in done.stdout
