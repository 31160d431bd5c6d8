"""Where the database is, and what of its address must never be shown."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from mlcore.config.sources import PostgresAddress
from mlcore.errors import ConfigError
from mlcore.masking import conceal

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SCHEMES = ("postgres", "postgresql")
_URL_NEXT = "write postgresql://user:${NAME}@host:5432/database, and set NAME in the environment"
_HIDDEN = "***"


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """A database's address with its secrets in place; ``str`` and ``repr`` are without them.

    Attributes:
        url: What a connection is opened with; never logged.
        shown: Who, where and which database.
        secrets: Texts that no message may hold.
    """

    url: str = field(repr=False)
    shown: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return self.shown

    def masked(self, text: str) -> str:
        """A message of the database or its driver, on one bounded line, without the address's secrets."""
        for secret in self.secrets:
            text = text.replace(secret, _HIDDEN)
        return " ".join(text.split())[:300]


def address_of(given: PostgresAddress, environ: Mapping[str, str], *, where: str = "data.source") -> Address:
    """The address that is given: its ``url`` with variables filled in, or its Airflow connection's.

    An Airflow connection is read from ``AIRFLOW_CONN_<NAME>``, as a URL or as JSON.

    Raises:
        ConfigError: A variable is not set, or the text is no PostgreSQL URL.
    """
    if given.connection is not None:
        place = f"{where}.connection"
        return parse_address(_connection(given.connection, environ, where=place), where=place)
    assert given.url is not None  # the configuration has one of them
    return fill_address(given.url, environ, where=f"{where}.url")


def fill_address(url: str, environ: Mapping[str, str], *, where: str) -> Address:
    """An address from a URL in which ``${NAME}`` stands for a variable of the environment.

    Raises:
        ConfigError: A variable is not set, or the text is no PostgreSQL URL.
    """
    names = _VARIABLE.findall(url)
    missing = [name for name in names if not environ.get(name)]
    if missing:
        raise ConfigError(
            f"the environment variable {missing[0]} is not set",
            where=where,
            next_step=f"set {missing[0]} for the command line and for the workers of Airflow",
        )
    values = tuple(environ[name] for name in names)
    whole = _VARIABLE.fullmatch(url) is not None
    filled = _VARIABLE.sub(lambda match: environ[match[1]] if whole else quote(environ[match[1]], safe=""), url)
    return parse_address(filled, where=where, secrets=() if whole else values)


def parse_address(url: str, *, where: str, secrets: tuple[str, ...] = ()) -> Address:
    """An address from a complete URL.

    Raises:
        ConfigError: It is no PostgreSQL URL; the message does not quote it.

    >>> parse_address("postgresql+psycopg2://me:pw@db.example.com:5432/sales?sslmode=require", where="url").shown
    'postgresql://me@db.example.com:5432/sales'
    """
    scheme, separator, rest = url.strip().partition("://")
    if not separator or scheme.partition("+")[0] not in _SCHEMES:
        raise ConfigError("the address of the database is no PostgreSQL URL", where=where, next_step=_URL_NEXT)
    plain = f"postgresql://{rest}"
    try:
        parts = urlsplit(plain)
        port, query = parts.port, dict(parse_qsl(parts.query))
    except ValueError:
        raise ConfigError(
            "the address of the database cannot be parsed", where=where, next_step=_URL_NEXT
        ) from None  # its text quotes what was parsed, password and all
    host, user = unquote(parts.hostname or query.get("host", "")), unquote(parts.username or "")
    shown = f"postgresql://{user}{'@' if user else ''}{host}{f':{port}' if port else ''}{parts.path}"
    passwords = (parts.password or "", query.get("password", ""), query.get("sslpassword", ""))
    hidden = {form for text in (*passwords, *secrets) if text for form in (text, unquote(text), quote(text, safe=""))}
    hidden -= {user, host, str(port or ""), parts.path.strip("/")}
    conceal(hidden)
    return Address(url=plain, shown=shown, secrets=tuple(sorted(hidden, key=len, reverse=True)))


def _connection(name: str, environ: Mapping[str, str], *, where: str) -> str:
    variable = f"AIRFLOW_CONN_{name.upper()}"
    text = environ.get(variable, "")
    if not text:
        raise ConfigError(
            f"there is no Airflow connection {name} in the environment",
            where=where,
            next_step=f"set {variable} to its URL, for the command line and for the workers of Airflow",
        )
    return _from_json(text, variable, where=where) if text.lstrip().startswith("{") else text


def _from_json(text: str, variable: str, *, where: str) -> str:
    try:
        fields = json.loads(text)
        extra = fields.get("extra") or {}
        extra = json.loads(extra) if isinstance(extra, str) else dict(extra)
        port = f":{int(fields['port'])}" if fields.get("port") else ""
    except (ValueError, TypeError, AttributeError):
        raise ConfigError(
            f"{variable} is not valid JSON of an Airflow connection",
            where=where,
            next_step="write conn_type, host, port, login, password and schema, or a URL",
        ) from None
    login, password = (quote(str(fields.get(key) or ""), safe="") for key in ("login", "password"))
    user = (login + (f":{password}" if password else "") + "@") if login or password else ""
    query = urlencode({key: value for key, value in extra.items() if isinstance(value, str | int)})
    address = f"{user}{fields.get('host') or ''}{port}/{quote(str(fields.get('schema') or ''), safe='')}"
    return f"{fields.get('conn_type') or 'postgres'}://{address}" + (f"?{query}" if query else "")
