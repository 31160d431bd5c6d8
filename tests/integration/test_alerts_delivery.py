"""Alerts through a real SMTP server and a real webhook on this machine."""

import email
import email.policy
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiosmtpd.controller import Controller

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


class Mailbox:
    """Keeps the messages an SMTP server is given."""

    def __init__(self):
        self.messages = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        self.messages.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"


@pytest.fixture
def mail():
    mailbox = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield port, mailbox
    controller.stop()


@pytest.fixture
def webhook():
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port, received
    server.shutdown()
    server.server_close()
    thread.join()


def mail_url(port, password="${MAIL_PASSWORD}"):
    return f"mailto://127.0.0.1:{port}?from=mlcore@example.org&to=team@example.org&name=mlcore&pass_={password}"


def test_mail_and_webhook_get_the_alert_with_its_variables_filled_in(mail, webhook):
    """Both addresses get title, task, reason and link, as plain text unless the address asks for HTML."""
    smtp_port, mailbox = mail
    hook_port, received = webhook
    urls = (mail_url(smtp_port), f"json://127.0.0.1:{hook_port}/hook/${{TOKEN}}")
    send(urls, ALERT, environ={"MAIL_PASSWORD": "s3cret", "TOKEN": "abc"})
    (message,) = mailbox.messages
    assert message["Subject"] == ALERT.title
    assert [part.get_content_type() for part in message.walk()] == ["text/plain"]
    assert "flights/runs/r1" in message.get_content()
    (posted,) = received
    assert posted["title"] == ALERT.title
    assert "trainer" in posted["message"]


def test_markup_from_data_is_escaped_in_an_html_mail(mail):
    """A category that is a script is text in the mail."""
    port, mailbox = mail
    send((f"{mail_url(port, 'x')}&format=html",), ALERT, environ={})
    html = mailbox.messages[0].get_body(("html",)).get_content()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_an_address_that_fails_does_not_keep_the_others_from_the_alert(webhook):
    """The error names the address that failed, by its place in the file, without its secret."""
    hook_port, received = webhook
    urls = ("json://user:${TOKEN}@127.0.0.1:1/x", f"json://127.0.0.1:{hook_port}/")
    with pytest.raises(AlertError, match=r"alerts\.urls\.0") as caught:
        send(urls, ALERT, environ={"TOKEN": "very-s3cret"})
    assert len(received) == 1
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
