"""What was asked of the champion is asked of the candidate before it may follow."""

from __future__ import annotations

from support.project import Project

SERVING = '  serving: {source: {type: csv, path: "log/{YYYY}-{MM}-{DD}.csv"}}\n'


def test_the_serving_log_is_tried_before_a_push(ran: Project) -> None:
    """The newest logged requests are answered bit for bit, and what was measured is recorded with the Blessing."""
    ran.replace("  event_timestamp: at\n", "  event_timestamp: at\n" + SERVING)
    (ran.folder / "log").mkdir()
    for day in (7, 8):
        lines = ran.data(day).read_text(encoding="utf-8").splitlines()[: day * 10 + 1]
        log = [line.rsplit(",", 1)[0] for line in lines]
        (ran.folder / "log" / ran.data(day).name).write_text("\n".join(log) + "\n", encoding="utf-8")
    results = ran.run(name="logged")
    assert results["trainer"].state.value == "CACHED"
    with ran.session() as session:
        (blessing,) = session.metadata.outputs(results["infra_validator"].execution_id)["blessing"]
    assert "passed: 80 logged requests have the answers of training, bit for bit" in blessing.properties["reasons"]
    measured = blessing.properties["measured"]
    assert 0 < measured["latency_p50_seconds"] <= measured["latency_p99_seconds"]
    assert measured["size_bytes"] > 1000
    assert measured["rows_per_second"] > 0
