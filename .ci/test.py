"""Runs the tests in two halves side by side: one is shown while it runs, the other when it has ended.

    python .ci/test.py

Most tests wait for something: a server, a scheduler, a process that starts. Exit code 0: all passed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

INTEGRATION = sorted(str(path) for path in Path("tests/integration").glob("test_*.py"))
BESIDE = [path for path in INTEGRATION if Path(path).name < "test_platform_up"]
"""About as long as the rest: what takes longest are the platform, the engines and whole pipelines."""
SHOWN = ["tests/unit", "tests/property", "tests/e2e", *(path for path in INTEGRATION if path not in BESIDE)]


def pytest(paths: list[str]) -> list[str]:
    """The command for some tests; the cache is the other half's to write."""
    shown = ("-q", "--durations=20", "--durations-min=5")
    return [sys.executable, "-m", "pytest", *shown, "-p", "no:cacheprovider", *paths]


def main() -> int:
    """Run both halves; the worse of their exit codes."""
    with tempfile.TemporaryFile() as kept, subprocess.Popen(pytest(BESIDE), stdout=kept, stderr=kept) as beside:
        try:
            shown = subprocess.call(pytest(SHOWN))
            sys.stdout.write(f"now what ran beside it: {BESIDE[0]} to {BESIDE[-1]}\n")
            sys.stdout.flush()
            other = beside.wait()
        except BaseException:
            beside.terminate()
            raise
        kept.seek(0)
        sys.stdout.write(kept.read().decode(errors="replace"))
    return max(shown, other)


if __name__ == "__main__":
    sys.exit(main())
