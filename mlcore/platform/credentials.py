"""Secrets that are generated once for a home folder and kept there with mode 0600."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from mlcore.errors import PlatformError
from mlcore.platform.layout import Layout

ADMIN = "admin"


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """What Airflow signs, encrypts and logs in with. Nothing secret is in the ``repr``."""

    jwt_secret: str = field(repr=False)
    fernet_key: str = field(repr=False)
    session_secret: str = field(repr=False)
    password_file: Path

    @property
    def admin_password(self) -> str:
        return str(json.loads(self.password_file.read_text())[ADMIN])


def load_credentials(layout: Layout) -> Credentials:
    """Reads the home's secrets; generates those that are not there yet."""
    password_file = layout.secrets / "passwords.json"
    _read_or_make(password_file, json.dumps({ADMIN: secrets.token_urlsafe(12)}))
    return Credentials(
        jwt_secret=_read_or_make(layout.secrets / "jwt_secret", secrets.token_urlsafe(48)),
        fernet_key=_read_or_make(layout.secrets / "fernet_key", base64.urlsafe_b64encode(os.urandom(32)).decode()),
        session_secret=_read_or_make(layout.secrets / "session_secret", secrets.token_urlsafe(48)),
        password_file=password_file,
    )


def _read_or_make(path: Path, new: str) -> str:
    """The file's content; written whole or not at all, so that two first starts agree on one value."""
    try:
        if not path.exists():
            _write_private(path, new)
        return path.read_text().strip()
    except PermissionError as error:
        raise PlatformError(
            "a secret of this home belongs to another user",
            where=str(path),
            next_step="run mlcore as the user who made the home folder, or set MLCORE_HOME to one of your own",
        ) from error


def _write_private(path: Path, content: str) -> None:
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    try:
        os.link(fresh, path)  # fails when another process was first: its value stands
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def note_database_url(layout: Layout, url: str) -> None:
    """Keeps the address of a server that is not ours, while the platform runs on it, for the other commands."""
    path = layout.secrets / "database_url"
    path.unlink(missing_ok=True)
    _write_private(path, url)


def noted_database_url(layout: Layout) -> str | None:
    """The address that the running platform was given, if any."""
    path = layout.secrets / "database_url"
    return path.read_text().strip() if path.exists() else None


def forget_database_url(layout: Layout) -> None:
    (layout.secrets / "database_url").unlink(missing_ok=True)
