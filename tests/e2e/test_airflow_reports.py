"""The drift report pages: who may see them, what they show, and that a report never runs as its viewer."""

from datetime import UTC, datetime
from urllib.parse import quote

import httpx
import jwt
import pyarrow as pa
import pytest

from mlcore.core.types import ArtifactType, NewArtifact, NewExecution
from mlcore.metadata.store import Publication
from mlcore.monitoring.report import write_report
from mlcore.runtime.session import open_session

HOSTILE = (
    "</script><script>window.hostile='ran'; document.title='pwned';"
    "try{parent.document.title='pwned'}catch(e){}; try{if(top!==self)top.location='/pwned'}catch(e){};"
    "try{fetch('/api/v2/dags').catch(()=>0)}catch(e){}; new Image().src='/pwned.png'</script>"
)
RUN = "manual__2013-06-01T07:00:00+00:00"
CSP = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; connect-src 'none'; frame-ancestors 'self'; base-uri 'none'; "
    "form-action 'none'"
)


@pytest.fixture(scope="module")
def report(platform):
    """A published drift report of a pipeline, with a hostile category and a hostile reason: its id."""
    with open_session(platform.settings) as session:
        execution = session.metadata.begin(
            NewExecution(component="DriftMonitor", pipeline="killed", run=f"monitor__{RUN}", fingerprint=None), {}
        )
        uri = f"{session.artifacts.fresh('killed', 'DriftMonitor', execution.id)}/drift_report"
        folder = session.artifacts.folder(uri)
        table = pa.table({"carrier": ["UA", "AA", HOSTILE] * 40, "distance": [1.0, 2.0, 5.0] * 40})
        moment = datetime(2013, 6, 1, 7, tzinfo=UTC)
        write_report(folder, reference=table, current=table, columns=("carrier", "distance"), at=moment)
        new = NewArtifact(
            type=ArtifactType.DRIFT_REPORT,
            uri=uri,
            digest=session.artifacts.seal(uri),
            pipeline="killed",
            properties={"as_of": "2013-06-01T07:00:00Z", "retrain": True, "reasons": [f"drifted: {HOSTILE}"]},
        )
        (outputs,) = session.metadata.publish([Publication(execution_id=execution.id, outputs={"drift_report": [new]})])
        (artifact,) = outputs["drift_report"]
    return artifact.id


@pytest.fixture
def page(platform, browser):
    """A page of a logged-in admin; what a server answered to it is kept in ``page.answered``."""
    context = browser.new_context()
    context.add_cookies([{"name": "_token", "value": platform.token, "url": str(platform.client.base_url)}])
    page = context.new_page()
    page.answered = []
    page.on("response", lambda response: page.answered.append(response.url))
    yield page
    context.close()


def paths(report_id):
    return (
        "/mlcore/reports",
        "/mlcore/dags/killed/reports",
        f"/mlcore/dags/killed_monitor/runs/{quote(RUN)}/reports",
        f"/mlcore/dags/killed/reports/{report_id}",
        f"/mlcore/dags/killed/reports/{report_id}/html",
    )


def test_nothing_is_shown_without_a_login(platform, report):
    """Every page answers 401 to who did not log in, and to a token that is none of ours."""
    for headers, refused in (({}, {401}), ({"Authorization": "Bearer nonsense"}, {401, 403})):
        with httpx.Client(base_url=platform.client.base_url, headers=headers) as client:
            assert {client.get(path).status_code for path in paths(report)} <= refused


def test_who_may_not_read_the_dag_sees_none_of_its_reports(platform, report):
    """A user without a role is told 403 for the DAG's pages, and finds the overview empty."""
    secret = (platform.settings.home / "secrets" / "jwt_secret").read_text().strip()
    claims = jwt.decode(platform.token, options={"verify_signature": False})
    forged = jwt.encode({**claims, "sub": "guest", "role": None}, secret, algorithm="HS512")
    with httpx.Client(
        base_url=platform.client.base_url, headers={"Authorization": f"Bearer {forged}"}, timeout=30
    ) as client:
        overview, *others = (client.get(path) for path in paths(report))
    assert [answer.status_code for answer in others] == [403] * 4
    assert overview.status_code == 200
    assert "report " + str(report) not in overview.text


def test_the_lists_show_the_verdict_and_escape_what_comes_from_data(platform, report):
    """Run, DAG and overview link to the report; a reason with a script is text; scripts are forbidden anyway."""
    for path in paths(report)[:4]:
        answer = platform.client.get(path)
        assert answer.status_code == 200, path
        assert "retrain" in answer.text.lower()
        assert "<script" not in answer.text
        assert "&lt;script&gt;" in answer.text
        assert "script-src" not in answer.headers["content-security-policy"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_run_without_reports_and_a_foreign_dag_get_a_friendly_page(platform):
    """The tab is on every DAG's runs: it says what is to be found where."""
    assert "killed_monitor" in platform.client.get("/mlcore/dags/killed/runs/other/reports").text
    assert "not one of mlcore" in platform.client.get("/mlcore/dags/somebodys/reports").text


def test_a_report_is_only_found_under_its_own_dag(platform, report):
    """The right to read one DAG opens no report of another's, nor one that does not exist."""
    assert platform.client.get(f"/mlcore/dags/flight_delays/reports/{report}").status_code == 404
    assert platform.client.get(f"/mlcore/dags/flight_delays/reports/{report}/html").status_code == 404
    assert platform.client.get("/mlcore/dags/killed/reports/999999").status_code == 404


def test_a_report_is_served_under_its_policy(platform, report):
    """The frame has no same-origin right, and the policy holds when the report is opened by itself."""
    shown = platform.client.get(f"/mlcore/dags/killed/reports/{report}")
    assert '<iframe sandbox="allow-scripts"' in shown.text
    content = platform.client.get(f"/mlcore/dags/killed/reports/{report}/html")
    assert content.headers["content-security-policy"] == CSP
    assert content.headers["x-content-type-options"] == "nosniff"
    assert HOSTILE[:30] in content.text


def test_a_hostile_report_acts_as_its_viewer_where_nothing_holds_it(platform, report, page):
    """Without frame and policy its script calls the API with the viewer's cookie: the tests below would notice."""
    html = platform.client.get(f"/mlcore/dags/killed/reports/{report}/html").text
    unheld = f"{platform.client.base_url}/unheld"
    page.route(unheld, lambda route: route.fulfill(body=html, content_type="text/html"))
    with page.expect_response(lambda response: response.url.endswith("/api/v2/dags") and response.ok, timeout=20_000):
        page.goto(unheld)
    assert page.title() == "pwned"


def test_a_hostile_report_does_not_run_as_its_viewer(platform, report, page):
    """In the frame its script has no origin, no cookie, no parent, no network and cannot navigate the page away."""
    url = f"{platform.client.base_url}/mlcore/dags/killed/reports/{report}"
    page.goto(url)
    page.wait_for_selector("iframe")
    (frame,) = [frame for frame in page.frames if frame.url.endswith("/html")]
    frame.wait_for_function("window.hostile === 'ran'", timeout=20_000)
    page.wait_for_timeout(500)
    assert frame.evaluate("self.origin") == "null"
    assert frame.evaluate("(() => { try { return document.cookie } catch (e) { return e.name } })()") == "SecurityError"
    assert page.title() == f"Drift report {report}"
    assert page.url == url
    assert not [asked for asked in page.answered if "pwned" in asked or "/api/v2" in asked]


def test_a_hostile_report_opened_by_itself_is_held_too(platform, report, page):
    """The policy sandboxes the page also without our frame around it."""
    page.goto(f"{platform.client.base_url}/mlcore/dags/killed/reports/{report}/html")
    page.wait_for_function("window.hostile === 'ran'", timeout=20_000)
    assert page.evaluate("self.origin") == "null"
    assert not [asked for asked in page.answered if "/api/v2" in asked]


def test_the_report_is_a_tab_of_the_run_in_airflows_ui(platform, page):
    """The page is reached from a DAG's tabs, inside Airflow's own frame."""
    platform.wait_for_dag("killed")
    page.goto(f"{platform.client.base_url}/dags/killed")
    page.get_by_text("Drift reports").first.wait_for(timeout=30_000)
    page.goto(f"{platform.client.base_url}/dags/killed/plugin/drift-reports-of-dag")
    page.wait_for_selector("iframe", timeout=30_000)
    heading = page.frame_locator("iframe").get_by_role("heading", name="Drift reports of killed")
    heading.wait_for(timeout=30_000)
    assert heading.is_visible()
