"""File names are UTF-8, whatever the locale: else a folder has other names for processes of other locales."""

from __future__ import annotations

import os
import sys


def ensure_utf8() -> None:
    """Start this process anew in Python's UTF-8 mode, with all that it starts, unless its file names are UTF-8.

    A locale such as ``tr_TR.ISO-8859-9`` makes ``übung`` two characters, or others: what is recorded of a folder would
    not be found again, and libraries that read names of files from the kernel fail.
    """
    if sys.getfilesystemencoding().lower().replace("-", "") == "utf8":
        return
    program = [sys.executable, "-X", "utf8", *sys.orig_argv[1:]]
    os.execve(sys.executable, program, {**os.environ, "PYTHONUTF8": "1"})  # noqa: S606
