from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from mlcore.config.settings import Settings
from mlcore.errors import PlatformError
from mlcore.platform.control import check_python, down
from mlcore.platform.layout import Layout
from mlcore.platform.processes import ProcessId
from mlcore.platform.state import Health, Phase, PlatformState, ServiceState, supervised
from mlcore.platform.status import Verdict, report
from mlcore.platform.supervisor import free_port


def state(**changes: object) -> PlatformState:
    me = ProcessId.of(os.getpid())
    assert me is not None
    service = ServiceState(name="scheduler", health=Health.DEAD, process=None, restarts=2, last_exit_code=-9)
    return PlatformState(supervisor=me, port=8081, services=(service,), **changes)  # type: ignore[arg-type]


def test_state_survives_its_file(tmp_path: Path) -> None:
    """What the supervisor writes is what the other commands read."""
    layout = Layout.of(tmp_path)
    written = state(phase=Phase.FAILED, error=("a", "b", "c"))
    written.write(layout)
    assert PlatformState.read(layout) == written


@pytest.mark.parametrize("content", ["", "{", "[]", '{"supervisor": 1}', '{"services": [], "supervisor": {}}'])
def test_unreadable_state_is_no_state(tmp_path: Path, content: str) -> None:
    """A damaged file is as good as none: the lock tells whether something runs."""
    layout = Layout.of(tmp_path)
    layout.state.write_text(content)
    assert PlatformState.read(layout) is None
    assert report(layout).verdict is Verdict.NOT_RUNNING


def test_state_of_a_living_process_without_the_lock_is_stale(tmp_path: Path) -> None:
    """A pid that lives proves nothing; only the supervisor holds the lock."""
    layout = Layout.of(tmp_path)
    state(phase=Phase.READY).write(layout)
    found = report(layout)
    assert not supervised(layout)
    assert (found.verdict, found.phase, found.url) == (Verdict.NOT_RUNNING, "killed", "")
    assert json.loads(json.dumps(found.to_dict()))["verdict"] == "not_running"


def test_free_port_passes_over_one_that_is_taken() -> None:
    """A port in use leads to the next one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < free_port(port) < port + 50


@pytest.mark.parametrize("version", [(3, 10), (3, 14), (2, 7)])
def test_check_python_refuses_what_airflow_does_not_support(version: tuple[int, int]) -> None:
    """A wrong Python is told with the ones that are right."""
    with pytest.raises(PlatformError, match="is not supported") as caught:
        check_python(version)
    assert "3.11, 3.12 or 3.13" in caught.value.next_step


def test_down_of_what_never_ran_makes_nothing(tmp_path: Path) -> None:
    """Stopping nothing is no error and leaves no folder behind."""
    settings = Settings(project=tmp_path, home=tmp_path / "home", artifacts="a")
    assert not down(settings).was_running
    assert not settings.home.exists()
