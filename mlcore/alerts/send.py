"""Delivery through Apprise, bounded in time, with secrets kept out of every message of ours."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Mapping, Sequence
from queue import Empty, Queue

from mlcore.alerts.message import Alert
from mlcore.errors import AlertError, MlcoreError, quoted
from mlcore.masking import conceal_named

_LOG = logging.getLogger(__name__)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SCHEMA = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def send(urls: Sequence[str], alert: Alert, *, environ: Mapping[str, str], timeout_seconds: float = 30) -> None:
    """Deliver an alert to every URL; one that fails does not keep the others from getting it.

    Args:
        urls: Apprise URLs; ``${NAME}`` stands for ``environ["NAME"]``, as it is (percent-encode what a URL needs to).
        alert: What to say.
        environ: The environment, passed in by the entry point.
        timeout_seconds: For all URLs together.

    Raises:
        AlertError: Some URL was not delivered to; the message names each, without its secrets.
    """
    outcomes: Queue[tuple[int, str]] = Queue()
    for index, url in enumerate(urls):
        arguments = (index, url, alert, environ, outcomes)
        # A daemon: a server that never answers must not keep the process alive beyond the deadline.
        threading.Thread(target=_attempt, args=arguments, name=f"alert-{index}", daemon=True).start()
    problems = _collect(outcomes, len(urls), timeout_seconds)
    if problems:
        raise AlertError(
            f"the alert {quoted(alert.title)} was not delivered to {len(problems)} of {len(urls)} addresses:\n"
            + "\n".join(f"  alerts.urls.{index}: {problem}" for index, problem in sorted(problems.items())),
            where=f"alerts.urls of {alert.pipeline}",
            next_step="correct the address or its variables; the kinds of URL are listed at https://appriseit.com",
        )
    _LOG.info("alert %s delivered to %d addresses", quoted(alert.title), len(urls))


def substituted(url: str, environ: Mapping[str, str]) -> str:
    """The URL with its variables' values in place.

    Raises:
        AlertError: A variable is not set.
    """
    missing = [name for name in _VARIABLE.findall(url) if not environ.get(name)]
    if missing:
        raise AlertError(f"{_masked(url)}: the environment variable {missing[0]} is not set")
    conceal_named(url, environ)
    return _VARIABLE.sub(lambda match: environ[match[1]], url)


def _collect(outcomes: Queue[tuple[int, str]], expected: int, timeout_seconds: float) -> dict[int, str]:
    """Problems by index of the URL."""
    problems = dict.fromkeys(range(expected), f"no answer within {timeout_seconds:g} seconds")
    deadline = time.monotonic() + timeout_seconds
    for _ in range(expected):
        try:
            index, problem = outcomes.get(timeout=max(deadline - time.monotonic(), 0))
        except Empty:
            break
        problems[index] = problem
    return {index: problem for index, problem in problems.items() if problem}


def _attempt(index: int, url: str, alert: Alert, environ: Mapping[str, str], outcomes: Queue[tuple[int, str]]) -> None:
    try:
        _deliver(substituted(url, environ), alert)
    except MlcoreError as error:
        outcomes.put((index, error.what))
    except Exception as error:
        outcomes.put((index, f"{_masked(url)}: {type(error).__name__} inside Apprise"))
    else:
        outcomes.put((index, ""))


def _deliver(url: str, alert: Alert) -> None:
    from apprise import Apprise, NotifyFormat, NotifyType

    target = Apprise.instantiate(url, suppress_exceptions=True)
    if target is None:
        raise AlertError(f"{_masked(url)}: not an Apprise URL")
    # Apprise escapes plain text where a service wants HTML or Markdown.
    kind = NotifyType.SUCCESS if alert.good else NotifyType.FAILURE
    delivered = target.notify(title=alert.title, body=alert.body, notify_type=kind, body_format=NotifyFormat.TEXT)
    if not delivered:
        shown = target.url(privacy=True)
        raise AlertError(f"{shown}: the service refused it or could not be reached")


def _masked(url: str) -> str:
    """As much of a URL as holds no secret: its kind."""
    schema = _SCHEMA.match(url)
    return f"{schema[0]}****" if schema else "****"
