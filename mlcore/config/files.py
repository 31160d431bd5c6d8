"""Which pipelines a project has, by their files' names: nothing is read."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from mlcore.errors import ConfigError, quoted

_SHOWN = 20


def pipeline_names(folder: Path) -> tuple[str, ...]:
    """The pipelines of a project, by name."""
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def pipeline_file(folder: Path, name: str) -> Path:
    """The file of the pipeline called ``name`` in ``config/pipelines``; whether it is valid is another question.

    Raises:
        ConfigError: There is no such pipeline; the message lists the ones there are.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        names = pipeline_names(folder)
        meant = get_close_matches(name, names, n=1)
        known = f"{', '.join(names[:_SHOWN]) or 'none'}{', ...' if len(names) > _SHOWN else ''}"
        raise ConfigError(
            f"there is no pipeline {quoted(name)}" + (f"; did you mean {meant[0]}?" if meant else ""),
            where=str(folder),
            next_step=f"pipelines here: {known}; run from the project folder or set MLCORE_PROJECT",
        )
    return path
