"""Two versions side by side: what they were made from, and what they say of the same rows."""

from __future__ import annotations

import json

from support.project import Project


def test_versions_of_two_days_are_compared(ran_twice: Project) -> None:
    """Spans, rows, metrics with intervals, paired differences on rows neither was trained on, and predictions."""
    done = ran_twice.cli("models", "diff", "tiny", "1", "2", "--json")
    found = json.loads(done.stdout)
    assert found["data"]["only_first"] == ["2024-01-01"]
    assert found["data"]["only_second"] == ["2024-01-05"]
    assert found["data"]["first_rows"] == found["data"]["second_rows"] == 480
    assert found["features"] == found["parameters"] == found["libraries"] == found["code"] == []
    same = found["same_rows"]
    assert same["spans"] == [f"2024-01-0{day}" for day in range(6, 10)]
    assert same["rows"] == 480
    own = [found["metrics"][which]["slices"][0]["metrics"]["log_loss"]["value"] for which in ("first", "second")]
    paired = same["paired"]["slices"][0]["metrics"]["log_loss"]
    assert paired["lower"] < paired["value"] < paired["upper"]
    assert abs(paired["value"]) < 0.5 * max(own)
    predictions = same["predictions"]
    assert predictions["rows"] == 480
    assert len(predictions["largest"]) == 10
    assert set(predictions["largest"][0]["row"]) == {"id", "colour", "size"}
    sizes = [abs(one["difference"]) for one in predictions["largest"]]
    assert sizes == sorted(sizes, reverse=True)
    assert {group["feature"] for group in predictions["groups"]} <= {"colour", "size"}
    shown = ran_twice.cli("models", "diff", "tiny", "1", "2").stdout
    assert "480 rows that neither was trained on, of 4 spans, 2024-01-06 to 2024-01-09" in shown
    assert "differs most" in shown


def test_what_was_configured_otherwise_is_told(ran: Project) -> None:
    """A parameter and a feature that changed between two versions are named with both values."""
    ran.replace("max_iter: 10", "max_iter: 12")
    ran.replace("{transform: scale_to_z_score}", "{transform: scale_to_0_1}")
    ran.run("2024-01-11T06:00Z", name="later")
    found = json.loads(ran.cli("models", "diff", "tiny", "1", "2", "--json").stdout)
    assert {"name": "params.max_iter", "first": 10, "second": 12} in found["parameters"]
    (change,) = [one for one in found["features"] if one["name"] == "size.transform"]
    assert (change["first"], change["second"]) == ("scale_to_z_score", "scale_to_0_1")
    missing = ran.cli("models", "diff", "tiny", "1", "9")
    assert missing.returncode == 1
    assert "there is no version 9 of tiny" in missing.stderr
