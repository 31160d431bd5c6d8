"""Make the virtual environment from the lock. Needs nothing but the Python it runs on."""

from __future__ import annotations

import argparse
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
SAID_LINES = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", required=True)
    parser.add_argument("--needed-gb", type=float, required=True)
    arguments = parser.parse_args()
    venv = PROJECT / arguments.venv
    check_disk(arguments.needed_gb)
    python = venv / "bin" / "python"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    step(1, f"virtual environment with Python {version} in {arguments.venv}")
    run([sys.executable, "-m", "venv", "--clear", str(venv)], "install Python's venv module (Debian: python3-venv)")
    step(2, "installer, hash-checked")
    online = "check the network and the package index (pip config list), then run make again"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    run([*pip, "-r", "requirements-uv.lock"], online)
    step(3, "packages of requirements.lock, hash-checked; about 1.2 GB, some minutes with empty caches")
    uv = [str(venv / "bin" / "uv"), *system_certificates(), "pip"]
    locked = [*uv, "install", "--compile-bytecode", "--require-hashes", "--python", str(python)]
    run([*locked, "-r", "requirements.lock"], online, **index(python))
    step(4, "mlcore itself")
    run([*uv, "install", "--python", str(python), "--no-deps", "--no-build-isolation", "-e", "."], online)


def system_certificates() -> list[str]:
    """Trust what the machine trusts, as pip does: a company's network may have a certificate of its own."""
    return ["--system-certs"] if ssl.get_default_verify_paths().cafile else []


def index(python: Path) -> dict[str, str]:
    """The package index pip is set up for, which uv does not read."""
    asked = [str(python), "-m", "pip", "config", "get", "global.index-url"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    url = os.environ.get("PIP_INDEX_URL") or found
    return {"UV_DEFAULT_INDEX": url} if url else {}


def check_disk(needed_gb: float) -> None:
    free = shutil.disk_usage(PROJECT).free / 2**30
    if free < needed_gb:
        fail(f"{free:.1f} GB are free here, {needed_gb:.0f} GB are needed", f"free some space on the disk of {PROJECT}")


def step(number: int, what: str) -> None:
    say(f"[{number}/4] {what}")


def run(command: list[str], remedy: str, **extra: str) -> None:
    """Run quietly, with a line every 20 seconds; what it said is shown when it fails."""
    began = said = time.monotonic()
    environ = {**os.environ, **extra, "UV_NO_PROGRESS": "1", "VIRTUAL_ENV": ""}
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, cwd=PROJECT, env=environ, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            time.sleep(0.2)
            if time.monotonic() - said > 20:
                said = time.monotonic()
                say(f"      still at it, {said - began:.0f} s")
        output.seek(0)
        lines = output.read().splitlines()
    if process.returncode:
        say("\n".join(lines[-SAID_LINES:]))
        fail(f"{Path(command[0]).name} ended with {process.returncode}", remedy)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def fail(what: str, remedy: str) -> None:
    sys.stderr.write(f"error: {what}\n  next: {remedy}\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
