"""Every example pipeline, rebuilt on a second machine as far as one machine can be one: the same digests.

    python benchmarks/reproduce.py [--only NAME]... [--python PYTHON] [--venv FOLDER] [--folder FOLDER] [--quick]

The first installation is a clone of the last commit, run by this Python: each pipeline of ``config/pipelines`` and
``config/examples`` makes a version and an archive of it. Then its home (database and artifacts) and its data are moved
below another folder, deeper and with a space and an umlaut in its name, and the first is removed. There a second clone
gets a virtual environment of its own from ``requirements.lock`` (``make setup``), and `mlcore models reproduce` must
give the recorded digests, component by component, in one environment after another:

- one core, another locale, time zone, hash seed, home and umask, as many threads as the libraries like;
- all cores, one thread each; a locale that is not UTF-8;
- other processors, as far as libraries can be told to take this one for another. Here digests may differ; then the
  answer has to name the processor.

Last, an installation that has nothing but the archives and the data imports them and runs the same moments: its models
must be those that were imported. ``--python`` takes another Python for the second venv: the lock has other versions of
libraries for it, so that digests may differ, and the answer has to name it. Exit code 1: something is not as it must
be. Needs 2.5 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

sys.path.append(sys.path.pop(0))  # beside this file lies one that is named as a module of the standard library
REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "tests"))

from support.examples import write_diabetes, write_tickets, write_wine  # noqa: E402

from mlcore.demo.flights import lay_out  # noqa: E402

MOMENTS = {
    "flight_delays": "2013-03-18T06:00Z",
    "diabetes": "2024-03-01T06:00Z",
    "wine": "2024-03-01T06:00Z",
    "tickets": "2024-01-24T06:00Z",
}
_BUSY = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What a process finds around it.

    Attributes:
        locales: The first of these that this machine has is taken.
        cores: How many of the cores it may use; all, where none is said.
        named: What the answer must name where a digest differs; where nothing is said, none may.
    """

    title: str
    locales: Sequence[str] = ("C.UTF-8",)
    variables: Mapping[str, str] = field(default_factory=dict)
    cores: int | None = None
    umask: int = 0o022
    named: str = ""

    def locale(self) -> str:
        have = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.split()
        plain = {name.lower().replace("-", ""): name for name in have}
        return next((name for name in self.locales if name.lower().replace("-", "") in plain), "C")


FIRST = Surroundings(title="first", variables={"TZ": "UTC", "PYTHONHASHSEED": "0"})
SECOND = (
    Surroundings(
        title="one core, Turkish, Kathmandu",
        locales=("tr_TR.UTF-8", "de_DE.UTF-8", "C.UTF-8"),
        variables={"TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "4242"},
        cores=1,
        umask=0o077,
    ),
    Surroundings(
        title="two threads, German, St John's",
        locales=("de_DE.UTF-8", "C.UTF-8"),
        variables={"TZ": "America/St_Johns", "PYTHONHASHSEED": "1", **dict.fromkeys(_BUSY, "2")},
        umask=0o002,
    ),
    Surroundings(
        title="one thread, not UTF-8",
        locales=("tr_TR.ISO-8859-9", "POSIX"),
        variables={
            "TZ": "Pacific/Chatham",
            "PYTHONHASHSEED": "2",
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
            **dict.fromkeys(_BUSY, "1"),
        },
    ),
    Surroundings(
        title="other linear algebra (Sandybridge)",
        variables={"PYTHONHASHSEED": "3", "OPENBLAS_CORETYPE": "Sandybridge"},
        named="blas",
    ),
    Surroundings(
        title="other vector instructions",
        variables={"PYTHONHASHSEED": "4", "NPY_DISABLE_CPU_FEATURES": "X86_V3", "ARROW_USER_SIMD_LEVEL": "NONE"},
        named="simd",
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """A clone with its data and its home, and the Python that runs it."""

    folder: Path
    python: Path
    user: Path

    @property
    def home(self) -> Path:
        return self.folder.parent / "home"

    def run(self, around: Surroundings, *arguments: str, expected: Sequence[int] = (0,)) -> str:
        """The command line in a fresh process; what it said on its standard output.

        Raises:
            RuntimeError: It ended with another code than is expected.
        """
        cores = sorted(os.sched_getaffinity(0))[: around.cores]
        taken = subprocess.run(
            [str(self.python), "-m", "mlcore.cli.main", *arguments],
            cwd=self.folder,
            env=self._environ(around),
            capture_output=True,
            check=False,
            umask=around.umask,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        if taken.returncode not in expected:
            said = taken.stderr.decode("utf-8", "replace")[-2000:]
            raise RuntimeError(f"{around.title}: mlcore {' '.join(arguments)} ended with {taken.returncode}: {said}")
        return taken.stdout.decode("utf-8", "replace")

    def _environ(self, around: Surroundings) -> dict[str, str]:
        """Nothing of whoever runs this but where programs are; the clone's code goes before what is installed."""
        return {
            "PATH": f"{self.python.parent}:{os.defpath}",
            "HOME": str(self.user),
            "PYTHONPATH": str(self.folder),
            "MLCORE_HOME": str(self.home),
            "LC_ALL": around.locale(),
            "NO_COLOR": "1",
            **around.variables,
        }


@dataclass(kw_only=True)
class Verdicts:
    """What was found, a line at a time."""

    wrong: int = 0

    def say(self, title: str, name: str, words: str, *, right: bool) -> None:
        self.wrong += not right
        print(f"{'ok   ' if right else 'WRONG'} {title:<36} {name:<14} {words}", flush=True)


def clone(source: Path, target: Path, names: Sequence[str]) -> None:
    """The last commit, with the example pipelines beside the others."""
    target.parent.mkdir(parents=True)
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(source), str(target)], check=True)
    for name in names:
        example = target / "config" / "examples" / f"{name}.yaml"
        if example.exists():
            shutil.copy(example, target / "config" / "pipelines")


def write_data(folder: Path, names: Sequence[str]) -> None:
    writers = {"diabetes": write_diabetes, "wine": write_wine, "tickets": write_tickets}
    for name in names:
        if name == "flight_delays":
            lay_out(folder / "flights", until=date(2013, 3, 20))
        else:
            writers[name](folder / name)


def make_versions(first: Installation, names: Sequence[str], archives: Path) -> dict[str, str]:
    """By name the digest of version 1; an archive of each."""
    digests = {}
    for name in names:
        first.run(FIRST, "run", name, "--at", MOMENTS[name], "--force-push", "--reason", "to be rebuilt")
        digests[name] = json.loads(first.run(FIRST, "models", "show", name, "--version", "1", "--json"))["digest"]
        first.run(FIRST, "models", "export", name, "1", str(archives / f"{name}.zip"))
        print(f"made  {name:<14} {digests[name]}", flush=True)
    return digests


def set_up(folder: Path, python: str) -> Path:
    """A virtual environment from the lock, as a person makes it; the caches of installers are left in use."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    subprocess.run(["make", "--silent", "setup", f"PYTHON={python}"], cwd=folder, env=environ, check=True)
    return folder / ".venv" / "bin" / "python"


def python_of(executable: Path) -> str:
    return subprocess.run([str(executable), "--version"], capture_output=True, text=True, check=True).stdout


def move(first: Installation, second: Installation) -> None:
    """Home and data to the second installation; nothing of the first is left."""
    subprocess.run(["cp", "-a", str(first.home), str(second.home)], check=True)  # PostgreSQL's user owns its files
    shutil.copytree(first.folder / "data", second.folder / "data", copy_function=shutil.copyfile)
    shutil.rmtree(first.folder.parent)


def rebuild(second: Installation, around: Surroundings, digests: Mapping[str, str], verdicts: Verdicts) -> None:
    for name, digest in digests.items():
        began = time.monotonic()
        found = json.loads(second.run(around, "models", "reproduce", name, "1", "--json", expected=(0, 1)))
        unequal = [step["node"] for step in found["steps"] if step["different"] or step["stored"]]
        equal = found["rebuilt"] == digest == found["recorded"] and not unequal
        told = " ".join([*found["reasons"], *found["environment_differences"]])
        if equal:
            words = f"equal in {len(found['steps'])} components, {time.monotonic() - began:.0f} s"
        else:
            words = f"other: {', '.join(unequal)}; told: {told[:300]}"
        verdicts.say(around.title, name, words, right=equal or bool(around.named and around.named in told))


def import_and_run(third: Installation, archives: Path, digests: Mapping[str, str], verdicts: Verdicts) -> None:
    """From the archives alone, in an installation with a database of its own: the same moment gives the same model."""
    around = SECOND[0]
    for name, digest in digests.items():
        third.run(around, "models", "import", str(archives / f"{name}.zip"), "--expect", digest)
        third.run(around, "run", name, "--at", MOMENTS[name], "--force-push", "--reason", "the same again")
        versions = json.loads(third.run(around, "models", "list", name, "--json"))
        found = sorted({version["digest"] for version in versions})
        words = "run anew gives the imported model" if found == [digest] else f"has {found}, not {digest}"
        verdicts.say("imported", name, words, right=found == [digest])


def workspace(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="mlcore-reproduce-") as folder:
        yield Path(folder)


def check(folder: Path, arguments: argparse.Namespace) -> Verdicts:
    names, verdicts = arguments.only or list(MOMENTS), Verdicts()
    archives = folder / "archives"
    archives.mkdir()
    users = [folder / f"user {number}" for number in range(3)]
    for user in users:
        user.mkdir()
    first = Installation(folder=folder / "a" / "mlcore", python=Path(sys.executable), user=users[0])
    clone(REPOSITORY, first.folder, names)
    write_data(first.folder / "data", names)
    digests = make_versions(first, names, archives)
    beneath = folder / "a second machine" / "übung"
    beneath.mkdir(parents=True)
    place = beneath / "b" / "a clone"
    clone(first.folder, place, names)
    python = Path(arguments.venv) / "bin" / "python" if arguments.venv else set_up(place, arguments.python)
    second = Installation(folder=place, python=python, user=users[1])
    move(first, second)
    other = python_of(python) != python_of(Path(sys.executable))
    for around in SECOND[: 1 if arguments.quick else None]:
        rebuild(second, replace(around, named="python") if other else around, digests, verdicts)
    if arguments.quick or other:
        return verdicts
    third = Installation(folder=beneath / "c" / "mlcore", python=python, user=users[2])
    clone(second.folder, third.folder, names)
    shutil.copytree(second.folder / "data", third.folder / "data")
    import_and_run(third, archives, digests, verdicts)
    return verdicts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(MOMENTS), help="this pipeline; may be repeated")
    own = f"{sys.base_prefix}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    parser.add_argument("--python", default=own, help="the Python of the second virtual environment; by default this")
    parser.add_argument("--quick", action="store_true", help="in one environment, and nothing imported")
    parser.add_argument("--venv", help="an environment that was made already, in its place")
    parser.add_argument("--folder", type=Path, help="work here, and keep it")
    arguments = parser.parse_args()
    for folder in workspace(arguments.folder):
        verdicts = check(folder, arguments)
        print(f"{verdicts.wrong} wrong", flush=True)
        return 1 if verdicts.wrong else 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
