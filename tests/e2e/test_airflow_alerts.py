"""Failed runs reach people, also those that could not say so themselves."""


def test_a_task_killed_by_the_kernel_sends_one_alert_that_says_so(platform):
    """SIGKILL fires no callback in the task; mail and webhook still get what failed, why and where to look."""
    platform.wait_for_dag("killed")
    platform.trigger("killed", "kill-1")
    assert platform.finished("killed", "kill-1", 90) == "failed"
    platform.until(lambda: platform.webhook and platform.mail, 60, "the alert")
    assert platform.tasks("killed", "kill-1") == {"trainer": "failed"}
    posted = [message for message in platform.webhook if "kill-1" in message["title"]]
    assert len(posted) == 1
    assert posted[0]["title"] == "killed failed in trainer (run kill-1)"
    assert "out of memory?" in posted[0]["message"]
    assert f"{platform.client.base_url}/dags/killed/runs/kill-1" in posted[0]["message"]
    assert any(message["Subject"] == posted[0]["title"] for message in platform.mail)
