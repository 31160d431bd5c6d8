"""A registered version by the name that people have for it: its number, or an alias that is at it now."""

from __future__ import annotations

from mlcore.errors import MetadataError, NoChampion, quoted
from mlcore.registry.records import ModelVersion
from mlcore.registry.store import CHAMPION, Registry


def find_version(registry: Registry, pipeline: str, name: str = CHAMPION) -> ModelVersion:
    """The version of a number or an alias.

    Raises:
        NoChampion: The champion is asked for, and there is none.
        MetadataError: There is no such version or alias.
    """
    aliases = registry.aliases(pipeline)
    number = int(name) if name.isdecimal() else aliases.get(name)
    if number is None and name == CHAMPION:
        raise NoChampion(f"{pipeline} has no champion", next_step=f"train one: mlcore run {pipeline} --at <moment>")
    for version in registry.versions(pipeline):
        if version.version == number:
            return version
    what = f"version {number}" if name.isdecimal() else f"alias {quoted(name, limit=60)}"
    known = ", ".join(sorted(aliases)) or "none"
    raise MetadataError(
        f"there is no {what} of {pipeline}", next_step=f"see: mlcore models list {pipeline}; its aliases: {known}"
    )
