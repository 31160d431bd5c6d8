"""What nobody is to read: passwords and tokens, taken out of every text that is told.

They are found by their place in a URL, and by their value where this process was told of it: libraries quote addresses,
headers and whole answers in their errors, and know nothing of what is secret in them.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

HIDDEN = "***"
_PASSWORD = re.compile(r"(://[^/\s@:'\"]*:)(?!\$\{)[^/\s@'\"]+@")
_TOKEN = re.compile(
    r"([?&](?:[a-z_-]*(?:token|password|passwd|secret|signature|credential|key)|sig)=)(?!\$\{)([^&\s'\"]+)",
    re.IGNORECASE,
)
_USERINFO = (re.compile(r"://([^/@\s:]*):([^@\s]+)@"), re.compile(r"://([^/@\s:]*):(\S+)@"))
"""The second also of a password with an ``@`` in it, which is not how one is written, and is."""
_NAMES = re.compile(r"(PASSWORD|PASSWD|PASSPHRASE|TOKENS?|SECRETS?|KEY)$", re.IGNORECASE)
_CONNECTION = "AIRFLOW_CONN_"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_RESERVED = re.compile(r"[@/?#:]")
_SEPARATORS, _UNWORDLY = re.compile(r"[/?&#=]"), re.compile(r"[0-9A-Z]")
_SHORTEST, _LONG = 6, 16
_PLAIN = re.compile(r"[0-9]+|[a-z]+(?:[._/-][a-z]+)*")

_concealed: frozenset[str] = frozenset()
_pattern: re.Pattern[str] | None = None


def masked(text: str) -> str:
    """A text without the passwords and tokens of the URLs in it, and without all that was concealed.

    ``${NAME}`` stays as it is written.

    >>> masked("no answer of https://me:secret@host/a.csv?token=abc&n=1")
    'no answer of https://me:***@host/a.csv?token=***&n=1'
    """
    return _TOKEN.sub(r"\1***", _PASSWORD.sub(r"\1***@", hidden(text)))


def hidden(text: str) -> str:
    """A text without all that was concealed; URLs stay as they are."""
    return text if _pattern is None else _pattern.sub(HIDDEN, text)


def conceal(values: Iterable[str]) -> None:
    """From now on :func:`masked` takes these out of every text of this process, however they are written in it.

    What is short, or an everyday word or number, stays: a text without it could not be read, and would still tell
    where it was.
    """
    global _concealed, _pattern
    found = _concealed.union(form for value in values if _telling(value) for form in _forms(value))
    if len(found) > len(_concealed):
        longest_first = sorted(found, key=lambda form: (-len(form), form))
        _concealed, _pattern = found, re.compile("|".join(map(re.escape, longest_first)))


def concealed() -> tuple[str, ...]:
    """All of it, in every form: for libraries that mask logs of their own."""
    return tuple(sorted(_concealed))


def conceal_environment(environ: Mapping[str, str]) -> None:
    """Conceal what variables hold whose names say that it is secret, and the passwords of URLs in any of them."""
    conceal(secret for name, value in environ.items() for secret in _secrets(name, value))


def conceal_named(text: str, environ: Mapping[str, str]) -> None:
    """Conceal what the ``${NAME}`` in a text stand for, and the tokens of its URLs: nobody wants to show them."""
    conceal(value for _, value in _TOKEN.findall(text))
    values = [environ[name] for name in _VARIABLE.findall(text) if name in environ]
    conceal(secret for value in values for secret in (value, *_of_url(value), *_of_path(value)))


def _secrets(name: str, value: str) -> Iterator[str]:
    if _NAMES.search(name):
        yield from (value, *re.split(r"[,\s]+", value))
    elif name.startswith(_CONNECTION) and value.lstrip().startswith("{"):
        yield from _of_connection(value)
    if "://" in value:
        yield from _of_url(value)


def _of_url(url: str) -> Iterator[str]:
    for pattern in _USERINFO:
        for user, password in pattern.findall(url):
            plain = unquote(password)
            # What follows an unescaped / or @ is taken for a host or a port, and quoted as such.
            yield from (password, plain, *_RESERVED.split(plain))
            yield b64encode(f"{unquote(user)}:{plain}".encode()).decode()
    yield from (value for _, value in _TOKEN.findall(url))


def _of_path(url: str) -> Iterator[str]:
    """What looks like a token in the path of a URL: webhooks have theirs there, and libraries quote paths alone."""
    path = url.partition("://")[2].partition("/")[2]
    yield from (part for part in _SEPARATORS.split(path) if len(part) >= _LONG and _UNWORDLY.search(part))


def _of_connection(text: str) -> Iterator[str]:
    """The password of an Airflow connection in JSON, and what else is secret in it."""
    try:
        fields = json.loads(text)
    except ValueError:
        return
    yield from _of_fields(fields)


def _of_fields(fields: Any) -> Iterator[str]:
    for key, value in fields.items() if isinstance(fields, dict) else ():
        if isinstance(value, dict):
            yield from _of_fields(value)
        elif isinstance(value, str) and value.lstrip().startswith("{"):
            yield from _of_connection(value)
        elif isinstance(value, str):
            yield from _secrets(key, value)


def _telling(value: str) -> bool:
    return len(value) >= _SHORTEST and (len(value) >= _LONG or not _PLAIN.fullmatch(value))


def _forms(value: str) -> set[str]:
    """As it is, in a URL, and as Python and JSON quote it."""
    return {value, quote(value, safe=""), quote(value), repr(value)[1:-1], json.dumps(value)[1:-1]}
