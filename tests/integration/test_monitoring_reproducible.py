"""Drift reports of equal data are equal in every process."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import numpy as np
import pyarrow as pa
from mlcore.monitoring.report import write_report

def rows(seed):
    rng = np.random.default_rng(seed)
    names = [f"category {number}" for number in rng.zipf(1.3, 3000) % 90]
    return pa.table({"name": names, "flag": rng.random(3000) > 0.3, "number": rng.normal(size=3000)})

write_report(Path(sys.argv[1]), reference=rows(1), current=rows(2), columns=["name", "flag", "number"],
             at=datetime(2013, 4, 1, tzinfo=UTC))
"""


def digest(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_the_report_is_the_same_in_processes_that_hash_strings_differently(tmp_path: Path) -> None:
    """Two processes with different string hashing write the same bytes: the report's digest is its content's."""
    digests = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        environment = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", PROGRAM, str(folder)], check=True, env=environment)
        digests.append(digest(folder))
    assert digests[0] == digests[1]
    assert list(digests[0]) == ["report.json", "snapshot.json.gz"]


def test_evidently_and_pandas_are_imported_only_when_needed() -> None:
    """They cost seconds to import: the modules of the monitoring package alone import neither."""
    modules = "decay, decision, drift, histograms, report, sampling"
    code = f"import sys; from mlcore.monitoring import {modules}; print({{'evidently', 'pandas'}} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert shown == "set()\n"
