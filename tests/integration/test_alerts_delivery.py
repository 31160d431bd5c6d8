"""Alerts through a real SMTP server and a real webhook on this machine."""

import socket
import time

import pytest

from mlcore.alerts.message import Alert, FailedTask
from mlcore.alerts.send import send
from mlcore.errors import AlertError

# Apprise tries the standard library's imghdr first.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")

ALERT = Alert(
    pipeline="flights",
    run="r1",
    where="http://127.0.0.1:8080/dags/flights/runs/r1",
    tasks=(FailedTask(name="trainer", why="category </b><script>alert(1)</script> is new"),),
)


def mail_url(port, password="${MAIL_PASSWORD}"):
    return f"mailto://127.0.0.1:{port}?from=mlcore@example.org&to=team@example.org&name=mlcore&pass_={password}"


def test_mail_and_webhook_get_the_alert_with_its_variables_filled_in(mail_server, webhook):
    """Both addresses get title, task, reason and link, as plain text unless the address asks for HTML."""
    urls = (mail_url(mail_server.port), f"json://127.0.0.1:{webhook.port}/hook/${{TOKEN}}")
    send(urls, ALERT, environ={"MAIL_PASSWORD": "s3cret", "TOKEN": "abc"})
    (message,) = mail_server.messages
    assert message["Subject"] == ALERT.title
    assert [part.get_content_type() for part in message.walk()] == ["text/plain"]
    assert "flights/runs/r1" in message.get_content()
    (posted,) = webhook.received
    assert posted["title"] == ALERT.title
    assert "trainer" in posted["message"]


def test_markup_from_data_is_escaped_in_an_html_mail(mail_server):
    """A category that is a script is text in the mail."""
    send((f"{mail_url(mail_server.port, 'x')}&format=html",), ALERT, environ={})
    html = mail_server.messages[0].get_body(("html",)).get_content()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_an_address_that_fails_does_not_keep_the_others_from_the_alert(webhook):
    """The error names the address that failed, by its place in the file, without its secret."""
    urls = ("json://user:${TOKEN}@127.0.0.1:1/x", f"json://127.0.0.1:{webhook.port}/")
    with pytest.raises(AlertError, match=r"alerts\.urls\.0") as caught:
        send(urls, ALERT, environ={"TOKEN": "very-s3cret"})
    assert len(webhook.received) == 1
    assert "very-s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["nonsense", "slackk://a-s3cret-token", "json://${S3CRET_UNSET}@host"])
def test_an_unusable_address_is_an_error_without_its_secret(url):
    """Typos and unset variables are told apart from a service that does not answer."""
    with pytest.raises(AlertError, match=r"not an Apprise URL|is not set") as caught:
        send((url,), ALERT, environ={})
    assert "s3cret-token" not in str(caught.value)


def test_a_server_that_never_answers_does_not_hold_the_sender():
    """The deadline holds for a peer that accepts and then says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(AlertError, match="no answer within 1 seconds"):
            send((f"json://127.0.0.1:{silent.getsockname()[1]}/",), ALERT, environ={}, timeout_seconds=1)
        assert time.monotonic() - started < 10
