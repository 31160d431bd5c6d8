from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from mlcore.config.settings import Settings
from mlcore.platform.credentials import load_credentials
from mlcore.platform.environment import Ports, airflow_environment, over
from mlcore.platform.layout import Layout

LOOK = """
import json, os, sys
from mlcore.platform.forking import DAG_MODULES, TASK_MODULES, import_airflow, import_dag_modules, import_task_modules
threads = lambda: [open(f"/proc/self/task/{t}/comm").read().strip() for t in os.listdir("/proc/self/task")]
sockets = lambda: sum(os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
                      for fd in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{fd}"))
import_airflow()
heavy = [name for name in ("pandas", "sklearn", "apache_beam", "evidently") if name in sys.modules]
shared = {"threads": len(threads()), "sockets": sockets(), "heavy": heavy}
import_dag_modules()
heavy = [name for name in ("pandas", "sklearn", "apache_beam", "evidently") if name in sys.modules]
parsing = {"threads": len(threads()), "sockets": sockets(), "heavy": heavy}
import_task_modules()
missing = [name for name in (*TASK_MODULES, *DAG_MODULES) if name not in sys.modules]
found = {"shared": shared, "parsing": parsing, "task_threads": threads(), "sockets": sockets(), "missing": missing}
print(json.dumps(found))
"""


def test_forks_inherit_modules_but_no_thread_and_no_connection(tmp_path: Path) -> None:
    """What services and tasks are forked from has imported everything and started nothing that a fork would lose."""
    settings = Settings(project=tmp_path, home=tmp_path / "home", artifacts="a")
    layout = Layout.of(settings.home)
    layout.create()
    environ = over(os.environ, airflow_environment(settings, Ports(), load_credentials(layout)))
    done = subprocess.run([sys.executable, "-c", LOOK], env=environ, capture_output=True, text=True, check=False)
    layout.remove_transient()
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["shared"] == found["parsing"] == {"threads": 1, "sockets": 0, "heavy": []}
    assert found["missing"] == []
    assert found["sockets"] == 0
    # pyarrow's allocator has a thread of its own that handles forks; OpenBLAS, OpenMP and Beam have none.
    others = [name for name in found["task_threads"] if name != "jemalloc_bg_thd"]
    assert len(others) == 1
