"""File names are UTF-8 in every process of the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys

PROGRAM = """
import json, os, sys
from mlcore.cli.utf8 import ensure_utf8
ensure_utf8()
print(json.dumps([sys.getfilesystemencoding(), sys.argv[1:], os.environ.get("PYTHONUTF8"), os.getpid()]))
"""


def test_a_process_of_another_locale_starts_anew() -> None:
    """With the same arguments, under the same process id, and so that what it starts is like it."""
    environ = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "übung", "-X"],
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    said, _ = started.communicate(timeout=60)
    encoding, arguments, handed_on, pid = json.loads(said)
    assert encoding.lower() == "utf-8"
    assert arguments == ["übung", "-X"]
    assert pid == started.pid
    assert handed_on == "1"
