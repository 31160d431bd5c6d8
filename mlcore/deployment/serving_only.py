"""What a server of predictions does not have: a model that asks for any of it works here and not there."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, requires
from types import ModuleType

NOT_SERVED = frozenset(
    {
        "airflow", "alembic", "apache_beam", "apprise", "evidently", "mlflow", "optuna", "pandas", "psycopg2",
        "sqlalchemy", "tensorflow_metadata",
    }
)  # fmt: skip
"""What trains, stores, watches and orchestrates."""


_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def needed_by(distributions: Sequence[str]) -> tuple[str, ...]:
    """Those of them that a model's own library requires, and so brings along to wherever it is served."""
    found = set[str]()
    for name in distributions:
        with suppress(PackageNotFoundError):
            for line in requires(name) or ():
                required = _REQUIREMENT.match(line)
                if required and "extra ==" not in line:
                    found.add(required[0].lower().replace("-", "_").replace(".", "_"))
    return tuple(sorted(found & NOT_SERVED))


class Barrier(MetaPathFinder):
    """Makes these packages as absent as they are where only the serving dependencies are installed.

    Args:
        but: Those that are there all the same.
    """

    def __init__(self, but: Sequence[str] = ()) -> None:
        self._absent = NOT_SERVED - set(but)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse what is not served, and leave the rest to the others."""
        del path, target
        package = fullname.partition(".")[0]
        if package in self._absent:
            raise ModuleNotFoundError(f"{package} is no serving dependency: there is none where models are served")
        return None


def raise_barrier(but: Sequence[str] = ()) -> None:
    """From now on none of them, but for some, can be imported in this process, which has not done so before."""
    sys.meta_path.insert(0, Barrier(but))
