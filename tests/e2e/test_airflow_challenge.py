"""The page of a challenge: who may see it, and that what it shows is text."""

from datetime import UTC, datetime
from urllib.parse import quote

import httpx
import pytest
from support.stores import new_artifact, new_execution, push

from mlcore.core.types import ArtifactType
from mlcore.metadata.store import Publication
from mlcore.registry.challenge import Look, LookVerdict, conclude
from mlcore.runtime.session import open_session

HOSTILE = "</table><script>window.hostile='ran'</script><img src=x onerror=\"document.title='pwned'\">"
PAGE = "/mlcore/dags/challenged/challenge"
MONITOR_PAGE = "/mlcore/dags/challenged_monitor/challenge"


@pytest.fixture(scope="module")
def challenged(platform):
    """A pipeline without a DAG file, whose challenger was looked at once: for a reason that looks like markup."""
    small = (platform.settings.pipelines / "small.yaml").read_text()
    text = small.replace("name: small", "name: challenged", 1).replace("push:", "push:\n  rollout: {min_rows: 10}", 1)
    text = text.replace("threshold: 0.55}", "threshold: 0.55}, {metric: log_loss, against: champion}")
    (platform.settings.pipelines / "challenged.yaml").write_text(text)
    with open_session(platform.settings) as session:
        store = session.metadata
        push(store, "champion", 10, pipeline="challenged")
        push(store, "challenger", 11, pipeline="challenged", challenges=True)
        move = session.registry.history("challenged", "challenger")[-1]
        begun = store.begin(new_execution(pipeline="challenged"), {})
        made = new_artifact(f"{begun.id}/challenge", pipeline="challenged", type_=ArtifactType.CHALLENGE)
        (outputs,) = store.publish([Publication(execution_id=begun.id, outputs={"challenge": [made]})])
        seen = Look(
            move_id=move.id, challenger=2, champion=1, look=1, verdict=LookVerdict.CONTINUED,
            until=datetime(2024, 1, 19, tzinfo=UTC), rows=1234, spent=0.0, artifact_id=outputs["challenge"][0].id,
            reason=HOSTILE, run="r",
        )  # fmt: skip
        with store.begun() as connection:
            conclude(connection, "challenged", seen, needs_approval=False)
    yield
    (platform.settings.pipelines / "challenged.yaml").unlink()


@pytest.mark.usefixtures("challenged")
def test_a_challenge_is_shown_to_whom_may_read_the_dag(platform):
    """It says who challenges whom, how far it is and what the next look needs; without a login there is nothing."""
    for path in (PAGE, MONITOR_PAGE):
        answer = platform.client.get(path)
        assert answer.status_code == 200, answer.text
        assert "Version 2 challenges champion 1" in answer.text
        assert "<td>1 of at most 14</td>" in answer.text
        assert "The next look" in answer.text
        with httpx.Client(base_url=platform.client.base_url) as client:
            assert client.get(path).status_code == 401
    assert "not one of mlcore" in platform.client.get("/mlcore/dags/somebodys/challenge").text
    assert "Nobody challenges the champion" in platform.client.get("/mlcore/dags/small/challenge").text


@pytest.mark.usefixtures("challenged")
def test_a_hostile_reason_is_text(platform, browser):
    """The policy forbids every script, and there is none to forbid: the reason is shown as it is written."""
    answer = platform.client.get(PAGE)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "<script" not in answer.text
    assert "<img" not in answer.text
    context = browser.new_context()
    context.add_cookies([{"name": "_token", "value": platform.token, "url": str(platform.client.base_url)}])
    page = context.new_page()
    page.goto(f"{platform.client.base_url}{quote(PAGE)}")
    assert HOSTILE in page.inner_text("body")
    assert page.evaluate("window.hostile") is None
    assert page.title() == "Challenge of challenged"
    context.close()
