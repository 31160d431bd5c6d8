"""The command line imports what a command needs, and no more."""

import os
import subprocess
import sys

import pytest

from mlcore.cli.lazy import LazyGroup, registered
from mlcore.cli.main import Commands
from mlcore.cli.models import Verbs


@pytest.mark.parametrize("group", [Commands, Verbs])
def test_every_command_is_where_it_is_looked_for(group: type[LazyGroup]):
    """The list of names is what the modules register: none is missing, none is elsewhere."""
    found = {name: module for module in dict.fromkeys(group.modules.values()) for name in registered(module)}
    assert found == group.modules


def test_a_rollback_waits_for_no_heavy_library():
    """Neither computation nor migrations nor remote stores are imported for what moves an alias."""
    heavy = (
        "apache_beam",
        "sklearn",
        "pandas",
        "numpy",
        "pyarrow",
        "alembic",
        "fsspec",
        "upath",
        "mlcore.components",
        "pydantic",
    )
    program = (
        "import sys; from mlcore.cli.lazy import registered; registered('mlcore.cli.models.moves');"
        "import mlcore.runtime.session, mlcore.metadata.store, mlcore.platform.postgres;"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ)
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
