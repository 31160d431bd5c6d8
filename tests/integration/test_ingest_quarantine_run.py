"""A whole pipeline over a file with bad rows."""

from __future__ import annotations

import json

from support.project import Project


def test_a_run_leaves_bad_rows_out_and_shows_them(project: Project) -> None:
    """The run succeeds without them, and the command shows each with file, line and reason."""
    project.replace("  span: P1D\n", "  span: P1D\n  max_bad_fraction: 0.05\n")
    path = project.data(3)
    path.write_text(path.read_text().rstrip("\n") + "\nnot,a,row\n")
    line = len(path.read_text().splitlines())
    project.run(until="example_gen")
    shown = project.cli("data", "quarantine", "tiny", "--json")
    assert shown.returncode == 0, shown.stderr
    (row,) = json.loads(shown.stdout)
    assert (row["file"], row["line"], row["reason"], row["text"]) == (path.name, line, "ragged", "not,a,row")
