from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mlcore.errors import PlatformError
from mlcore.platform.layout import Layout, check_free_space, private_folder


def test_layout_keeps_everything_below_a_short_home() -> None:
    """A home with a short plain path holds its sockets and temporary files itself."""
    layout = Layout.of(Path("/srv/mlcore"))
    assert layout.transient == layout.home
    assert layout.sockets == Path("/srv/mlcore/run/postgres")


@pytest.mark.parametrize("name", ["x" * 120, "with space", "percent%", "ümlaut"])
def test_layout_moves_sockets_of_a_long_or_unusual_home(name: str) -> None:
    """A socket's path stays within 107 bytes and needs no quoting, whatever the home is called."""
    layout = Layout.of(Path("/srv") / name)
    socket = layout.sockets / ".s.PGSQL.5432"
    assert layout.transient.parent == Path("/tmp")
    assert len(os.fsencode(socket)) <= 107
    assert str(socket).isascii()
    assert not set(" %?&") & set(str(socket))


def test_layout_gives_every_home_its_own_short_folder() -> None:
    """Two long homes do not share one folder for sockets."""
    first, second = (Layout.of(Path("/srv") / (letter * 120)) for letter in "ab")
    assert first.transient != second.transient


def test_layout_resolves_symbolic_links(tmp_path: Path) -> None:
    """One home reached by two paths is one home."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert Layout.of(tmp_path / "link") == Layout.of(tmp_path / "real")


def test_create_makes_a_private_folder_for_secrets(tmp_path: Path) -> None:
    """Nobody else may enter the folder of secrets."""
    layout = Layout.of(tmp_path / "home")
    layout.create()
    assert layout.secrets.stat().st_mode & 0o777 == 0o700


def test_create_says_what_to_do_when_the_home_cannot_be_made(tmp_path: Path) -> None:
    """A home below a file is refused with its path and a remedy."""
    (tmp_path / "file").write_text("")
    with pytest.raises(PlatformError, match="cannot be written") as caught:
        Layout.of(tmp_path / "file" / "home").create()
    assert "MLCORE_HOME" in caught.value.next_step


def test_check_free_space_names_the_folder_and_the_numbers(tmp_path: Path) -> None:
    """Too little space is told before anything is started."""
    free = shutil.disk_usage(tmp_path).free
    check_free_space(tmp_path, minimum_bytes=free // 2)
    with pytest.raises(PlatformError, match="are free, at least") as caught:
        check_free_space(tmp_path, minimum_bytes=free * 2)
    assert caught.value.where == str(tmp_path)


def test_private_folder_refuses_what_somebody_else_put_there(tmp_path: Path) -> None:
    """A symbolic link where the private folder should be is not followed."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "folder").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PlatformError, match="belongs to another user"):
        private_folder(tmp_path / "folder")


def test_remove_transient_leaves_what_is_to_stay(tmp_path: Path) -> None:
    """Locks, sockets and temporary files go; data, logs and secrets stay."""
    layout = Layout.of(tmp_path / ("h" * 90))
    layout.create()
    (layout.run / "some.lock").write_text("")
    layout.users_lock.write_text("")
    (layout.tmp / "file").write_text("")
    layout.remove_transient()
    assert sorted(path.name for path in layout.home.iterdir()) == ["airflow", "logs", "postgres", "secrets"]
    assert not layout.transient.exists()
