"""What aliases may be called."""

from __future__ import annotations

import re

from mlcore.errors import MetadataError, quoted

CHAMPION = "champion"
CHALLENGER = "challenger"
PREVIOUS = "previous"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_TAKEN = {
    CHAMPION: "a run's push, mlcore models promote and mlcore models rollback move it",
    PREVIOUS: "it is the champion that a rollback goes to, and follows from the champion's history",
    "latest": "MLflow takes it for the newest version",
}
_NUMBER = re.compile(r"v?[0-9]+")


def check_alias(name: str) -> str:
    """The name, where people may set and remove an alias of it: ``challenger``, or one of their own.

    Raises:
        MetadataError: It is no name, or reserved.

    >>> check_alias("shadow-eu")
    'shadow-eu'
    """
    if _NUMBER.fullmatch(name):
        raise MetadataError(f"alias {quoted(name)} reads as a version", next_step="choose a name that does not")
    if not _NAME.fullmatch(name):
        raise MetadataError(
            f"{quoted(name)} is no name of an alias",
            next_step="write at most 63 lower-case letters, digits, _ and -, a letter first",
        )
    if name in _TAKEN:
        raise MetadataError(f"alias {name} is reserved: {_TAKEN[name]}", next_step="choose another name")
    return name
