"""Ids of runs that are told again and again: of UUID's version 7, in the order of time, and always the same."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from uuid import UUID

_NODE_BITS = 76
_VERSION, _VARIANT = 7, 0b10


def static_uuid(moment: datetime, data: str) -> str:
    """A UUID of version 7 whose random part is a hash of ``data``.

    It is the one that OpenLineage's Python client, and with it Airflow's OpenLineage provider, makes of the same
    moment and text: ids of Airflow's runs can be told without asking it.

    >>> static_uuid(datetime(2024, 1, 10, 6, tzinfo=UTC), "default.tiny.0")
    '018cf1f4-c700-7bb5-ba01-16cf5e75bd33'
    """
    instant = moment.astimezone(UTC)
    digest = hashlib.sha1(instant.isoformat().encode() + data.encode(), usedforsecurity=False).digest()
    node = int.from_bytes(digest, "big") >> (8 * len(digest) - _NODE_BITS)
    number = ((int(instant.timestamp() * 1000) & 0xFFFFFFFFFFFF) << 80) | node
    number = (number & ~(0xF000 << 64)) | _VERSION << 76
    return str(UUID(int=(number & ~(0xC000 << 48)) | _VARIANT << 62))


def airflow_run_id(namespace: str, dag_id: str, moment: datetime, clear_number: int) -> str:
    """What Airflow's OpenLineage provider calls a run of a DAG.

    Args:
        namespace: The provider's.
        dag_id: The DAG.
        moment: The run's logical date, or where it has none the moment after which it may start.
        clear_number: How often the run was cleared.
    """
    return static_uuid(moment, f"{namespace}.{dag_id}.{clear_number}")
