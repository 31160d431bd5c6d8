"""How long `mlcore models rollback` takes as a whole command, in a project whose platform runs (`make demo`).

    python benchmarks/rollback.py flight_delays [--times 20]

The champion must have had one before it. Each time the champion is rolled back and, not counted, promoted again: the
aliases end where they began, and the history has two rows more a time.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from numpy import median


def _models(*arguments: str) -> str:
    command = [Path(sys.executable).with_name("mlcore"), "models", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(pipeline: str) -> tuple[float, float]:
    """Wall and CPU seconds of one rollback, which is undone then."""
    began, used = time.perf_counter(), _cpu()
    moved = json.loads(_models("rollback", pipeline, "--reason", "a benchmark", "--json"))
    wall, cpu = time.perf_counter() - began, _cpu() - used
    _models("promote", pipeline, str(moved["was"]), "--reason", "a benchmark ended")
    return wall, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipeline")
    parser.add_argument("--times", type=int, default=20)
    chosen = parser.parse_args()
    both = [measure(chosen.pipeline) for _ in range(chosen.times)]
    for name, found in zip(("wall", "CPU"), zip(*both, strict=True), strict=True):
        print(f"{name}: {min(found):.2f} at least, {median(found):.2f} median, {max(found):.2f} s at most")


if __name__ == "__main__":
    main()
