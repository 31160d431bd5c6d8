"""What ``mlcore runs show`` tells of a run."""

from __future__ import annotations

import json

from support.project import Project


def test_a_run_is_shown_by_its_nodes(ran: Project) -> None:
    """A line a node with the spans it made, what came of the run, and every execution where they are asked for."""
    shown = ran.cli("runs", "show", "tiny", "r")
    assert shown.returncode == 0, shown.stderr
    (line,) = (each for each in shown.stdout.splitlines() if "ExampleGen" in each)
    assert line.split()[-1] == "8"
    assert "verdict: pushed" in shown.stdout
    document = json.loads(ran.cli("runs", "show", "tiny", "r", "--json").stdout)
    assert sum(each["component"] == "ExampleGen" for each in document["executions"]) == 9
    assert document["run"]["version"] == 1
    missing = ran.cli("runs", "show", "tiny", "s")
    assert missing.returncode == 1
    assert "there is no run" in missing.stderr
