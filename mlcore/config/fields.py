"""What the blocks of a pipeline file are made of: the strict section, and the notations of lengths, sizes and names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)

from mlcore.core.patterns import check_pattern
from mlcore.core.window import Grain, Months

_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "GB": 10**9}


def _parse_bytes(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", value)
    if match is None or (match[2] or "B") not in _BYTES:
        raise ValueError(f"not a size; write a number with one of {', '.join(_BYTES)}, for instance 1GiB")
    return int(float(match[1]) * _BYTES[match[2] or "B"])


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than zero")
    return value


def _not_negative(value: timedelta) -> timedelta:
    if value < timedelta(0):
        raise ValueError("must not be negative")
    return value


def _in_iso(value: object) -> object:
    """A bare number would be seconds to some, days to others."""
    if isinstance(value, timedelta) or (isinstance(value, str) and _ISO_LENGTH.fullmatch(value)):
        return value
    raise ValueError("not a length of time; write ISO 8601, for instance P7D, PT6H or PT0S")


_ISO_LENGTH = re.compile(r"-?P.+")
_MONTHS = re.compile(r"P(?:(\d{1,4})Y)?(?:(\d{1,5})M)?")
_TIMEDELTA = TypeAdapter(timedelta)


def parse_length(value: object) -> Grain:
    """An ISO 8601 duration: a ``timedelta``, or whole months for ``P1M`` and ``P1Y``.

    Raises:
        ValueError: It is none, or not longer than zero.

    >>> parse_length("P60D"), parse_length("P1Y")
    (datetime.timedelta(days=60), Months(count=12))
    """
    if isinstance(value, Months):
        return value
    found = _MONTHS.fullmatch(value) if isinstance(value, str) else None
    if found and any(found.groups()):
        months = 12 * int(found[1] or 0) + int(found[2] or 0)
        if not months:
            raise ValueError("must be longer than zero")
        return Months(months)
    return _positive(_TIMEDELTA.validate_python(_in_iso(value)))


def as_iso(value: Grain) -> str:
    """A length as the pipeline file has it.

    >>> as_iso(timedelta(hours=30)), as_iso(Months(1))
    ('P1DT6H', 'P1M')
    """
    return str(value) if isinstance(value, Months) else str(_TIMEDELTA.dump_python(value, mode="json"))


Length = Annotated[
    timedelta | Months,
    BeforeValidator(parse_length),
    PlainSerializer(as_iso, when_used="json"),
    WithJsonSchema({"type": "string", "format": "duration"}),
]
Duration = Annotated[timedelta, BeforeValidator(_in_iso), AfterValidator(_positive)]
Delay = Annotated[timedelta, BeforeValidator(_in_iso), AfterValidator(_not_negative)]
ByteSize = Annotated[int, BeforeValidator(_parse_bytes), Field(gt=0)]
Share = Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, le=1)]
"""How many there must be: a number of them, or a fraction of all."""
Pattern = Annotated[str, Field(min_length=1), AfterValidator(check_pattern)]
"""Of the place of a span: see :mod:`mlcore.core.patterns`."""
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


def _cron(value: str) -> str:
    if value.startswith("@") or len(value.split()) == 5:
        return value
    raise ValueError('not a cron expression; write five fields, for instance "0 6 * * MON", or a preset such as @daily')


Schedule = Annotated[str, AfterValidator(_cron)]


class Section(BaseModel):
    """A block of the pipeline file: immutable, and strict about its keys."""

    # Tracebacks hold what Pydantic says, and a file may hold what its writer should have put into the environment.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        """Pydantic's own message does not say what is allowed; this one does, and guesses what was meant."""
        if not isinstance(data, Mapping) or cls.model_config.get("extra") != "forbid":
            return data
        allowed = [field.alias or name for name, field in cls.model_fields.items()]
        unknown = [str(key) for key in data if key not in allowed]
        if unknown:
            guess = get_close_matches(unknown[0], allowed, n=1)
            meant = f"; did you mean {guess[0]!r}?" if guess else ""
            raise ValueError(f"unknown key {unknown[0][:60]!r}; allowed: {', '.join(allowed)}{meant}")
        return data
