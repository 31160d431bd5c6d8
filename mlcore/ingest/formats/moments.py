"""Dates and moments as people write them: in a format of their own, or without the offset of their clock."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from mlcore.errors import ConfigError, quoted
from mlcore.ingest.formats.casting import Mask, cast

_WITH_OFFSET = r"[T ].*(Z|[+-]\d{2}(:?\d{2})?)$"
_LOCAL = pa.timestamp("us")


def moments(texts: pa.Array, kind: pa.DataType, form: str | None, timezone: str | None) -> tuple[pa.Array, Mask]:
    """Texts as dates or moments, and which are none; what is none becomes null.

    Args:
        form: As in ``datetime.strptime``; ``None`` for ISO 8601.
        timezone: Of moments without an offset; ``None``: UTC, where a form says nothing of an offset.
    """
    if form is None:
        return _iso(texts, kind, timezone or "UTC")
    read = _read(texts, form)
    wrong = pc.and_(texts.is_valid(), read.is_null()).to_numpy(zero_copy_only=False)
    if pa.types.is_date(kind):
        return pa.array(read.to_numpy(zero_copy_only=False).astype("datetime64[D]")), wrong
    if "%z" in form:
        return read.cast(kind), wrong
    values, left_out = _in_zone(read, kind, timezone or "UTC")
    return values, wrong | left_out


def _read(texts: pa.Array, form: str) -> pa.Array:
    """Of pandas, whose parser knows that February has no 30th day, which Arrow's does not."""
    import pandas as pd

    cells = texts.to_numpy(zero_copy_only=False)
    found = pd.to_datetime(cells, format=form, errors="coerce", utc="%z" in form)
    return pa.array(found.tz_localize(None).to_numpy().astype("datetime64[us]"))


def _iso(texts: pa.Array, kind: pa.DataType, timezone: str) -> tuple[pa.Array, Mask]:
    offset = pc.match_substring_regex(texts, _WITH_OFFSET)
    nothing = pa.scalar(None, texts.type)
    aware, no_moment = cast(pc.if_else(offset, texts, nothing), kind)
    local, no_clock = cast(pc.if_else(offset, nothing, texts), _LOCAL)
    values, left_out = _in_zone(local, kind, timezone)
    return pc.coalesce(aware, values), no_moment | no_clock | left_out


def _in_zone(local: pa.Array, kind: pa.DataType, timezone: str) -> tuple[pa.Array, Mask]:
    """Readings of a clock as moments: the first of two equal ones, none of those that it left out."""
    try:
        found = pc.assume_timezone(local, timezone, ambiguous="earliest", nonexistent="earliest")
    except pa.ArrowInvalid as error:
        raise ConfigError(
            f"the time zone {quoted(timezone)} is not known here: {quoted(str(error))}",
            where="data.source.timezone",
            next_step="install the operating system's time zones (Debian: apt-get install tzdata)",
        ) from error
    left_out = pc.fill_null(pc.not_equal(pc.local_timestamp(found), local), fill_value=False)
    left_out = left_out.to_numpy(zero_copy_only=False)
    return pc.if_else(pa.array(~left_out), found.cast(kind), pa.scalar(None, kind)), left_out
