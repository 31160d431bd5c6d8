from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlcore.core.temporary import abandoned, temporary_folder

WORKING = """
import sys, signal
from pathlib import Path
from mlcore.core.temporary import temporary_folder
with temporary_folder("test", within=Path(sys.argv[1])) as folder:
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_text("half")
    print(folder, flush=True)
    signal.pause()
"""


def test_a_folder_is_there_for_as_long_as_the_work(tmp_path: Path) -> None:
    """It is private, and removed with what is in it, whether the work ends well or not."""
    with temporary_folder("test", within=tmp_path) as folder:
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "file").write_text("some")
    with pytest.raises(ZeroDivisionError), temporary_folder("test", within=tmp_path):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_told_and_removed_by_the_next(tmp_path: Path) -> None:
    """While its process lives a folder is nobody else's; after kill -9 it is abandoned, and goes with the next one."""
    command = [sys.executable, "-c", WORKING, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert abandoned(tmp_path, min_age_seconds=0) == []
        process.send_signal(signal.SIGKILL)
    assert abandoned(tmp_path) == []
    assert abandoned(tmp_path, min_age_seconds=0) == [folder]
    os.utime(folder, (0, 0))
    with temporary_folder("test", within=tmp_path) as other:
        assert list(tmp_path.iterdir()) == [other]


def test_what_others_made_is_left_alone(tmp_path: Path) -> None:
    """Folders of other names, files, and links to elsewhere are no work that was abandoned."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".mlcore-work-file").write_text("a file")
    (tmp_path / ".mlcore-work-link").symlink_to(tmp_path / "elsewhere")
    assert abandoned(tmp_path, min_age_seconds=0) == []
    assert abandoned(tmp_path / "nowhere") == []
