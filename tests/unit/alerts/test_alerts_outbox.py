"""Alerts are neither lost nor sent twice."""

import threading

import pytest

from mlcore.alerts.outbox import Outbox
from mlcore.errors import AlertError

EVENT = {"dag_id": "flights", "run_id": "r1"}


@pytest.fixture
def outbox(tmp_path):
    return Outbox(tmp_path / "alerts")


def test_an_event_is_taken_once(outbox):
    """An equal event is refused while it waits and after it was sent."""
    sent = []
    assert outbox.put(EVENT)
    assert not outbox.put(dict(EVENT))
    assert outbox.drain(sent.append) == 0
    assert not outbox.put(EVENT)
    assert sent == [EVENT]
    assert not outbox.waiting()


def test_a_delivery_that_fails_is_tried_again(outbox):
    """The second attempt delivers; nothing is left behind."""
    attempts = []

    def flaky(event):
        attempts.append(event)
        if len(attempts) == 1:
            raise AlertError("mail server is down")

    outbox.put(EVENT)
    assert outbox.drain(flaky, pauses_seconds=(0,)) == 0
    assert len(attempts) == 2


def test_what_cannot_be_delivered_is_put_aside_and_does_not_hold_up_the_rest(outbox, tmp_path, caplog):
    """The log names the folder in which the undelivered alert lies."""
    sent = []

    def selective(event):
        if event["run_id"] == "r1":
            raise AlertError("refused")
        sent.append(event)

    outbox.put(EVENT)
    outbox.put({**EVENT, "run_id": "r2"})
    assert outbox.drain(selective, pauses_seconds=(0,)) == 1
    assert [event["run_id"] for event in sent] == ["r2"]
    assert len(list((tmp_path / "alerts" / "failed").iterdir())) == 1
    assert str(tmp_path / "alerts" / "failed") in caplog.text
    assert not outbox.waiting()


def test_two_senders_at_once_send_every_alert_once(outbox):
    """The second waits for the first, and then sees only what is left."""
    sent = []
    for number in range(20):
        outbox.put({**EVENT, "number": number})
    senders = [threading.Thread(target=outbox.drain, args=(sent.append,)) for _ in range(3)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(30)
    assert sorted(event["number"] for event in sent) == list(range(20))


def test_alerts_that_nobody_delivers_do_not_fill_the_disk(outbox, tmp_path):
    """Beyond a thousand waiting alerts the next is refused with where to look."""
    outbox.put(EVENT)
    for number in range(1000):
        (tmp_path / "alerts" / "pending" / f"{number}.json").write_text("{}")
    with pytest.raises(AlertError, match="pending"):
        outbox.put({**EVENT, "run_id": "r2"})
