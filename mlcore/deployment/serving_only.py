"""What a server of predictions does not have: a model that asks for any of it works here and not there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

NOT_SERVED = frozenset(
    {
        "airflow", "alembic", "apache_beam", "apprise", "evidently", "mlflow", "optuna", "pandas", "psycopg2",
        "sqlalchemy", "tensorflow_metadata",
    }
)  # fmt: skip
"""What trains, stores, watches and orchestrates."""


class Barrier(MetaPathFinder):
    """Makes these packages as absent as they are where only the serving dependencies are installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse what is not served, and leave the rest to the others."""
        del path, target
        package = fullname.partition(".")[0]
        if package in NOT_SERVED:
            raise ModuleNotFoundError(f"{package} is no serving dependency: there is none where models are served")
        return None


def raise_barrier() -> None:
    """From now on none of them can be imported in this process, which has not done so before."""
    sys.meta_path.insert(0, Barrier())
