"""What processes find around them: locales, time zones, cores, threads, user masks, and which Python runs them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def threads(number: int) -> dict[str, str]:
    """As many threads for every library that asks."""
    return dict.fromkeys(_THREADS, str(number))


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What a process finds around it.

    Attributes:
        title: What is special about it.
        locales: The first of these that this machine has is taken.
        one_core: Whether it may use a single core.
        seed: Of Python's hashes.
        named: What the answer must name where a digest differs; where nothing is said, none may differ.
    """

    title: str
    locales: Sequence[str] = ("C.UTF-8",)
    zone: str = "UTC"
    seed: str = "0"
    umask: int = 0o022
    one_core: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    named: Sequence[str] = ()

    @property
    def locale(self) -> str:
        """The locale that is taken."""
        have = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.split()
        plain = {_plain(name) for name in have}
        return next((name for name in self.locales if _plain(name) in plain), "C")

    @property
    def words(self) -> str:
        """For people: all of it, and what this machine does not have."""
        locale = self.locale
        wanted = "" if locale == self.locales[0] else f" (there is no {self.locales[0]} here)"
        cores = "1 core" if self.one_core else f"{len(os.sched_getaffinity(0))} cores"
        counted = sorted({self.variables[name] for name in _THREADS if name in self.variables})
        counts = [f"{number} thread{'s' * (number != '1')}" for number in counted]
        return ", ".join([f"{locale}{wanted}", self.zone, cores, *counts, f"umask {self.umask:03o}"])

    def environ(self) -> dict[str, str]:
        """The variables that it sets."""
        locale = self.locale
        own = {"LC_ALL": locale, "LANG": locale, "TZ": self.zone, "PYTHONHASHSEED": self.seed}
        return {**own, "NO_COLOR": "1", **self.variables}


def _plain(locale: str) -> str:
    return locale.lower().replace("-", "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """A clone with its data and its home, and the Python that runs it.

    Attributes:
        user: The home of whoever runs it.
    """

    folder: Path
    python: Path
    user: Path

    @property
    def home(self) -> Path:
        return self.folder.parent / "home"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def run(self, around: Surroundings, *arguments: str, core: int = 0, expected: Sequence[int] = (0,)) -> str:
        """The command line in a fresh process; what it said on its standard output.

        Args:
            around: What it finds around it.
            arguments: Of the command line.
            core: Which, where it may use a single one; counted round.
            expected: Exit codes.

        Raises:
            RuntimeError: It ended with another.
        """
        cores = os.sched_getaffinity(0)
        if around.one_core:  # of this thread, and so of what it starts
            os.sched_setaffinity(0, {sorted(cores)[core % len(cores)]})
        try:
            taken = subprocess.run(
                [str(self.python), "-m", "mlcore.cli.main", *arguments],
                cwd=self.folder,
                env=self._environ(around),
                capture_output=True,
                check=False,
                umask=around.umask,
            )
        finally:
            os.sched_setaffinity(0, cores)
        if taken.returncode not in expected or (taken.returncode and not taken.stdout):
            said = (taken.stdout[-500:] + taken.stderr[-1500:]).decode("utf-8", "replace")
            raise RuntimeError(f"mlcore {' '.join(arguments)} ended with {taken.returncode}: {said}")
        return taken.stdout.decode("utf-8", "replace")

    def _environ(self, around: Surroundings) -> dict[str, str]:
        """Nothing of whoever runs this but where programs are; the clone's code goes before what is installed."""
        return {
            "PATH": f"{self.python.parent}:{os.defpath}",
            "HOME": str(self.user),
            "PYTHONPATH": str(self.folder),
            "MLCORE_HOME": str(self.home),
            **around.environ(),
        }
