"""A drift report's pictures as a file, made on demand in a process of its own and kept.

Rendering imports a large library and takes seconds of CPU: the api-server must not carry either.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from mlcore.config.settings import Settings
from mlcore.core.types import Artifact
from mlcore.errors import ArtifactError, quoted

_TIMEOUT_SECONDS = 180
_one_at_a_time = threading.Lock()


def rendered_report(artifact: Artifact, settings: Settings) -> Path:
    """The report's page, from the cache or rendered now.

    Raises:
        ArtifactError: It cannot be rendered.
    """
    folder = settings.home / "cache" / "reports"
    path = folder / f"{artifact.id}-{artifact.digest.rpartition(':')[2][:16]}.html"
    if path.is_file():
        return path
    with _one_at_a_time:
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            _render(artifact.id, path)
    return path


def _render(artifact_id: int, path: Path) -> None:
    command = [sys.executable, "-m", "mlcore.airflow.rendering", str(artifact_id), str(path)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module, an int and a path of ours
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ArtifactError(
            f"drift report {artifact_id} was not rendered within {_TIMEOUT_SECONDS} seconds",
            next_step="try again when the machine is less busy",
        ) from error
    if done.returncode:
        raise ArtifactError(
            f"drift report {artifact_id} cannot be rendered: {quoted(done.stderr.strip()[-400:], 420)}",
            next_step=f"its numbers are in the artifact's JSON; see the whole error with: {' '.join(command[1:])}",
        )


def main(artifact_id: str, target: str) -> None:
    """Render one report to a file that is there whole or not at all."""
    from mlcore.runtime.reports import report_html
    from mlcore.runtime.session import open_session

    with open_session(Settings.from_environ(os.environ)) as session:
        html = report_html(session, int(artifact_id))
    temporary = Path(f"{target}.{os.getpid()}.tmp")
    temporary.write_text(html, encoding="utf-8")
    temporary.rename(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
