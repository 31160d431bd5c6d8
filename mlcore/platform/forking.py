"""Services as forks of a process that has imported Airflow once.

Importing Airflow costs 3 to 5 CPU seconds, and four services and a migration would each pay them: most of the time
until the platform is ready. Fork after import is also how Airflow runs tasks and parses DAG files. The rule is the
same: import only; no thread and no database connection before the fork (a test looks).
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import logging
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mlcore.beam.quiet import import_beam
from mlcore.platform.processes import begin_child, die_with_parent

_LOG = logging.getLogger(__name__)

# What at least two of the services import.
_SHARED = (
    "airflow.settings",
    "airflow.__main__",
    "airflow.jobs.scheduler_job_runner",
    "airflow.jobs.triggerer_job_runner",
    "airflow.jobs.dag_processor_job_runner",
    "airflow.executors.local_executor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.api_fastapi.execution_api.app",
    "airflow.cli.commands.db_command",
    "airflow.cli.commands.scheduler_command",
    "airflow.cli.commands.triggerer_command",
    "airflow.cli.commands.dag_processor_command",
    "airflow.cli.commands.api_server_command",
)

# What tasks import. The scheduler does it for them: a task is its fork and pays nothing. None of these starts a thread
# of Python's or of OpenMP's; pyarrow's jemalloc has one and handles forks itself.
TASK_MODULES = (
    "pandas",
    "pyarrow.parquet",
    "pyarrow.csv",
    "scipy.stats",
    "sklearn.ensemble",
    "sklearn.pipeline",
    "skops.io",
    "apache_beam.runners.portability.fn_api_runner",
    "mlcore.runtime.launch",
    "mlcore.runtime.reports",
    "mlcore.airflow.dags",
)

# What DAG files import. The DAG processor does it for them: each parse is its fork, of which this was the larger part.
DAG_MODULES = ("mlcore.airflow.dags", "mlcore.airflow.plugin")


def import_airflow() -> None:
    """Imports what the services share and moves it out of the garbage collector's reach, so that forks share it."""
    for name in _SHARED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def import_task_modules() -> None:
    """Imports what tasks will need. A module that fails here fails again in the task, where it is reported."""
    with warnings.catch_warnings():
        # skops asks every loaded module for every name of SciPy, and Airflow's answer each time with a deprecation.
        warnings.simplefilter("ignore")
        with contextlib.suppress(Exception):
            import_beam()
        _import(TASK_MODULES)


def import_dag_modules() -> None:
    """Imports what DAG files will need. A module that fails here fails again in them, where it is reported."""
    _import(DAG_MODULES)


def _import(names: Sequence[str]) -> None:
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def run_airflow(*arguments: str) -> None:
    """Airflow's command line, in this process."""
    entry: Any = importlib.import_module("airflow.__main__")
    sys.argv = ["airflow", *arguments]
    entry.main()


def fork(work: Callable[[], None], *, log: Path, before: Callable[[], None] = lambda: None) -> int:
    """Starts a child in a session of its own that does ``work``; it is killed when this process ends, however it ends.

    Args:
        work: What the child does; ``SystemExit`` gives its exit code, any other exception gives 1.
        log: Where its output is appended.
        before: Runs in the child first: closes what must not be inherited.

    Returns:
        The child's pid, which is also its session's id.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    if pid := os.fork():
        return pid
    try:
        begin_child(signal.SIGKILL, parent)
        os.setsid()
        _redirect(log)
        before()
        _die_with_forking_parent()
        code = exit_code_of(work)
    except BaseException:  # whatever it is: never back into the parent's code
        traceback.print_exc()
        code = 1
    os._exit(code)


def exit_code_of(work: Callable[[], None]) -> int:
    """Do the work of a whole process: its exit code, when all that waited for the end was done and written."""
    try:
        work()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _redirect(log: Path) -> None:
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    null = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, null), (1, out), (2, out)):
        os.dup2(source, target)
    os.close(out)
    os.close(null)


def _die_with_forking_parent() -> None:
    """From now on every ``os.fork`` of a main thread makes a child that is killed when its parent ends.

    So a killed scheduler takes its workers with it, and they their tasks. The kernel means the parent *thread*; forks
    by other threads, which may end earlier, are left alone.
    """
    parent = 0

    def before() -> None:
        nonlocal parent
        parent = os.getpid() if threading.current_thread() is threading.main_thread() else 0

    def after_in_child() -> None:
        if parent:
            die_with_parent(signal.SIGKILL, parent)

    os.register_at_fork(before=before, after_in_child=after_in_child)
