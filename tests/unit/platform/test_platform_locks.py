from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mlcore.platform.locks import FileLock


def test_shared_locks_exclude_only_the_exclusive_one(tmp_path: Path) -> None:
    """Users do not keep each other out; the last one to leave can tell that it is the last."""
    first, second, keeper = (FileLock(tmp_path / "lock") for _ in range(3))
    assert first.try_acquire(shared=True)
    assert second.try_acquire(shared=True)
    assert not keeper.try_acquire()
    first.release()
    assert not keeper.try_acquire()
    assert second.try_acquire()  # converts: nobody else is left
    second.release()
    assert keeper.try_acquire()
    assert not first.acquire(shared=True, timeout_seconds=0.1)


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    """The kernel gives up what a killed process held."""
    code = (
        "import sys, time; from pathlib import Path; from mlcore.platform.locks import FileLock\n"
        "lock = FileLock(Path(sys.argv[1])); lock.try_acquire(); print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path / "lock"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    lock = FileLock(tmp_path / "lock")
    assert not lock.try_acquire()
    process.kill()
    process.communicate()
    assert lock.try_acquire()
    lock.release()


def test_lock_on_a_removed_file_is_not_a_lock(tmp_path: Path) -> None:
    """After the file was removed and made anew, only its new incarnation counts."""
    old, new = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert old.try_acquire()
    (tmp_path / "lock").unlink()
    assert new.try_acquire()
    assert not FileLock(tmp_path / "lock").try_acquire()
    old.release()
    new.release()
