"""CPU seconds, wall seconds and peak memory of every component on all flights of 2013, imports included.

    python benchmarks/pipeline.py [--again]

Two thirds of the 336,776 rows train, one third evaluates, in 20 slices. Everything is computed in a fresh store, in
one process (the infra validation in one of its own, which counts too). The reference, for the same steps and model in
TFX 1.16: 337 CPU seconds, 1.5 GB. ``--again`` runs the pipeline a second time, from the cache.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from mlcore.config.loader import load_pipeline
from mlcore.config.settings import Settings
from mlcore.core.request import RunRequest
from mlcore.core.window import parse_moment
from mlcore.demo.flights import lay_out
from mlcore.metadata.store import migrate
from mlcore.platform.postgres import ensure_database
from mlcore.runtime.graphs.retraining import retraining_graph
from mlcore.runtime.launch import LaunchResult
from mlcore.runtime.local import run_graph
from mlcore.runtime.session import open_session

PROJECT = Path(__file__).resolve().parents[1]
AS_OF = "2014-01-03T00:00Z"
TRAIN, EVALUATE = timedelta(days=244), timedelta(days=122)
REFERENCE_CPU_SECONDS = 337.0


def cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def reset_peak_memory() -> None:
    """Start the kernel's high-water mark of this process anew (Linux)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_megabytes() -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


@dataclass
class Meter:
    """Prints a line a component."""

    cpu: float = 0.0
    peak: float = 0.0
    _cpu: float = 0.0
    _wall: float = 0.0

    def started(self, node: str) -> None:
        del node
        reset_peak_memory()
        self._cpu, self._wall = cpu_seconds(), time.monotonic()

    def finished(self, result: LaunchResult) -> None:
        cpu, wall, peak = cpu_seconds() - self._cpu, time.monotonic() - self._wall, peak_megabytes()
        self.cpu += cpu
        self.peak = max(self.peak, peak)
        print(
            f"{result.node:<20} {result.state.value:<9} {cpu:8.2f} {wall:8.2f} {peak:8.0f}  {result.summary}",
            flush=True,
        )


def run_once(settings: Settings, name: str) -> Meter:
    config = load_pipeline(PROJECT / "config" / "pipelines" / "flight_delays.yaml")
    request = RunRequest(pipeline=config.name, run=name, as_of=parse_moment(AS_OF), train=TRAIN, eval=EVALUATE)
    meter = Meter()
    print(f"{'component':<20} {'state':<9} {'CPU s':>8} {'wall s':>8} {'peak MB':>8}")
    with open_session(settings) as session:
        run_graph(session, config, retraining_graph(config), request=request, observer=meter)
    return meter


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--again", action="store_true", help="run a second time, from the cache")
    again = arguments.parse_args().again
    before = cpu_seconds()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        lay_out(home / "data" / "flights")
        laid_out = cpu_seconds()
        settings = Settings(project=home, home=home / "home", artifacts=str(home / "artifacts"))
        with ensure_database(settings) as url:
            migrate(url)
            settings = Settings(project=home, home=home / "home", artifacts=str(home / "artifacts"), database_url=url)
            meter = run_once(settings, "benchmark")
            print(
                f"{'all components':<30} {meter.cpu:8.2f} {'':>8} {meter.peak:8.0f}"
                f"  {meter.cpu / REFERENCE_CPU_SECONDS:.3f} of the reference's {REFERENCE_CPU_SECONDS:.0f} CPU s;"
                f" start-up {before:.1f} CPU s more, laying out the data {laid_out - before:.1f}"
            )
            if again:
                run_once(settings, "again")


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
