"""Every example pipeline, rebuilt on a second machine as far as one machine can be one: the same digests.

    python benchmarks/reproduce.py [--only NAME]... [--python PYTHON]... [--quick] [--jobs N] [--folder FOLDER]

The first installation is a clone of the last commit, run by this Python: each pipeline of ``config/pipelines`` and
``config/examples`` makes a version and an archive of it. Then its database, artifacts and data are moved below another
folder, deeper and with a space and an umlaut in its name, and the first is removed. There a second clone gets a virtual
environment of its own from ``requirements.lock`` (``make setup``), and `mlcore models reproduce`, a fresh process each
time, must give the recorded digests, component by component, in one surrounding after another:

- one core; locales with a decimal comma, with Turkish letters, not UTF-8; time zones, hash seeds, users' masks and
  homes, numbers of threads;
- an environment made of nothing but the lock that the version carries (`mlcore models lock`);
- other processors, as far as libraries can be told to take this one for another, and other Pythons (``--python``,
  each with an environment of its own, for which the lock has other versions of libraries). Here digests may differ;
  then the answer has to name the processor, or the Python.

Last, an installation that has nothing but the archives and the data imports them, runs the same moments, and reproduces
what it imported.

Interrupted, the same command goes on where it was: what was found is kept in a folder (below the one for temporary
files, or ``--folder``) until everything was as it must be. Exit code 1: something was not. Needs 2.5 GB, and 1.5 more
for each further Python.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import date
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

sys.path.append(sys.path.pop(0))  # beside this file lies one that is named as a module of the standard library
REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "tests"))

from notebook import Cell, Notebook, show  # noqa: E402
from support.examples import write_diabetes, write_tickets, write_wine  # noqa: E402
from surroundings import Installation, Surroundings, threads  # noqa: E402

from mlcore.demo.flights import lay_out  # noqa: E402

MOMENTS = {
    "flight_delays": "2013-03-18T06:00Z",
    "diabetes": "2024-03-01T06:00Z",
    "wine": "2024-03-01T06:00Z",
    "tickets": "2024-01-24T06:00Z",
}
FIRST = Surroundings(title="first")
PLAIN = Surroundings(title="another folder, clone and user")
ONE_CORE = Surroundings(
    title="one core, decimal comma",
    locales=("de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"),
    zone="Pacific/Chatham",
    seed="4242",
    umask=0o077,
    one_core=True,
)
SECOND = (
    PLAIN,
    ONE_CORE,
    Surroundings(
        title="more threads than cores, Turkish letters",
        locales=("tr_TR.UTF-8", "az_AZ.UTF-8", "C.UTF-8"),
        zone="Asia/Kathmandu",
        seed="1",
        umask=0o002,
        variables=threads(7),
    ),
    Surroundings(
        title="one thread, not UTF-8",
        locales=("tr_TR.ISO-8859-9", "de_DE.ISO-8859-1", "POSIX"),
        zone="America/St_Johns",
        seed="random",
        umask=0o000,
        variables={"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", **threads(1)},
    ),
)
PROCESSORS = (
    Surroundings(
        title="linear algebra for Sandybridge",
        seed="3",
        variables={"OPENBLAS_CORETYPE": "Sandybridge"},
        named=("Sandybridge",),
    ),
    Surroundings(
        title="fewer vector instructions",
        seed="4",
        variables={"NPY_DISABLE_CPU_FEATURES": "X86_V3", "ARROW_USER_SIMD_LEVEL": "NONE"},
        named=("arrow none",),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Check:
    """The whole of it.

    Attributes:
        beneath: The folder of the second machine.
        jobs: How many pipelines are worked on at once.
    """

    folder: Path
    names: Sequence[str]
    notebook: Notebook
    jobs: int

    @property
    def beneath(self) -> Path:
        return self.folder / "a second machine" / "übung"

    @property
    def archives(self) -> Path:
        return self.folder / "archives"

    def installation(self, place: Path, python: Path) -> Installation:
        user = place.parent / "user"
        user.mkdir(parents=True, exist_ok=True)
        return Installation(folder=place, python=python, user=user)

    def first(self) -> Installation:
        """The first, with a version of each pipeline; what was made already is not made again."""
        place = self.folder / "a" / "mlcore"
        first = self.installation(place, Path(sys.executable))
        left = [name for name in self.names if name not in self.notebook.digests]
        if left:
            self.clone(place)
            self.archives.mkdir(exist_ok=True)
            self.each(left, lambda name, _: self._make(first, name))
        return first

    def _make(self, first: Installation, name: str) -> None:
        if not (first.data / DATA[name]).exists():
            write_data(first.data, name)
        first.run(FIRST, "run", name, "--at", MOMENTS[name], "--force-push", "--reason", "to be rebuilt")
        digest = json.loads(first.run(FIRST, "models", "show", name, "--version", "1", "--json"))["digest"]
        archive = self.archives / f"{name}.zip"
        archive.unlink(missing_ok=True)
        first.run(FIRST, "models", "export", name, "1", str(archive))
        self.notebook.made(name, digest)
        print(f"made   {name:<14} {digest}", flush=True)

    def clone(self, target: Path) -> None:
        """The commit that is checked, with the example pipelines beside the others."""
        if target.exists():
            return
        fresh = target.with_name(f"{target.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.parent.mkdir(parents=True, exist_ok=True)
        git = ["git", "-c", "advice.detachedHead=false"]
        subprocess.run([*git, "clone", "--quiet", "--no-hardlinks", str(REPOSITORY), str(fresh)], check=True)
        subprocess.run([*git, "checkout", "--quiet", "--detach", self.notebook.commit], cwd=fresh, check=True)
        for example in sorted((fresh / "config" / "examples").glob("*.yaml")):
            shutil.copy(example, fresh / "config" / "pipelines")
        fresh.rename(target)

    def each(self, names: Sequence[str], work: Callable[[str, int], object]) -> None:
        """Work on several pipelines at once; the first error ends it."""
        with ThreadPoolExecutor(self.jobs) as pool:
            for done in as_completed([pool.submit(work, name, number) for number, name in enumerate(names)]):
                done.result()

    def row(self, around: Surroundings, of: Callable[[str, int], Cell]) -> None:
        """Of each pipeline what came of it, but of those that are noted already."""

        def work(name: str, number: int) -> None:
            began = time.monotonic()
            try:
                cell = of(name, number)
            except RuntimeError as error:
                cell = Cell(equal=False, right=False, words=str(error))
            seconds = time.monotonic() - began
            self.notebook.note(around.title, around.words, name, replace(cell, seconds=round(seconds, 1)))

        self.each([name for name in self.names if not self.notebook.has(around.title, name)], work)

    def reproduce(self, where: Installation, around: Surroundings) -> None:
        """Rebuild what each pipeline made, in these surroundings."""
        digests = self.notebook.digests
        self.row(around, lambda name, number: rebuilt(where, around, name, digests[name], number))

    def own_lock(self, second: Installation) -> None:
        """The same in an environment of nothing but what the versions carry."""
        title = "environment from the version's lock"
        if all(self.notebook.has(title, name) for name in self.names):
            return
        locks: dict[str, str] = {}
        self.each(self.names, lambda name, _: locks.update({name: second.run(PLAIN, "models", "lock", name, "1")}))
        for number, text in enumerate(sorted(set(locks.values()))):
            venv = self.beneath / f"built-with-{number}"
            python = install(text, venv, second)
            names = [name for name in self.names if locks[name] == text]
            where, own = replace(second, python=python), replace(self, names=names)
            own.reproduce(where, replace(ONE_CORE, title=title, one_core=False))

    def imported(self, second: Installation) -> None:
        """From the archives alone, in an installation with a database of its own: the same moment, the same model."""
        around = replace(ONE_CORE, title="imported, run anew, reproduced", one_core=False)
        place = self.beneath / "c" / "mlcore"
        if all(self.notebook.has(around.title, name) for name in self.names):
            return
        self.clone(place)
        third = self.installation(place, second.python)
        copy(second.data, third.data)
        self.row(around, lambda name, number: self._import(third, around, name, number))

    def _import(self, third: Installation, around: Surroundings, name: str, number: int) -> Cell:
        digest = self.notebook.digests[name]
        archive = str(self.archives / f"{name}.zip")
        third.run(around, "models", "import", archive, "--expect", digest)
        third.run(around, "run", name, "--at", MOMENTS[name], "--force-push", "--reason", "the same again")
        found = sorted({one["digest"] for one in json.loads(third.run(around, "models", "list", name, "--json"))})
        if found != [digest]:
            return Cell(equal=False, right=False, words=f"the run gives {found}, not {digest}")
        return rebuilt(third, around, name, digest, number)


def rebuilt(where: Installation, around: Surroundings, name: str, digest: str, number: int) -> Cell:
    """Reproduce a version, and judge what it says."""
    said = where.run(around, "models", "reproduce", name, "1", "--json", core=number, expected=(0, 1))
    found = json.loads(said)
    unequal = [step["node"] for step in found["steps"] if step["different"] or step["stored"]]
    if found["rebuilt"] == digest == found["recorded"] and not unequal:
        return Cell(equal=True, right=True)
    told = "; ".join(found["reasons"])
    right = bool(around.named) and all(words in told for words in around.named)
    return Cell(equal=False, right=right, words=f"{', '.join(unequal)}: {told}")


DATA = {"flight_delays": "flights", **{name: name for name in MOMENTS if name != "flight_delays"}}


def write_data(folder: Path, name: str) -> None:
    writers: Mapping[str, Callable[[Path], object]] = {
        "diabetes": write_diabetes,
        "wine": write_wine,
        "tickets": write_tickets,
        "flight_delays": lambda place: lay_out(place, until=date(2013, 3, 20)),
    }
    place = folder / DATA[name]
    fresh = place.with_name(f"{place.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    writers[name](fresh)
    fresh.rename(place)


def copy(source: Path, target: Path) -> None:
    """With the moments of now, as files have them that were brought to another machine."""
    if target.exists():
        return
    fresh = target.with_name(f"{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(source, fresh, copy_function=shutil.copyfile)
    fresh.rename(target)


def move(first: Installation, second: Installation) -> None:
    """Home and data to the second installation; nothing of the first is left."""
    if first.folder.exists():
        copy(first.data, second.data)
    if first.home.exists():
        first.home.rename(second.home)  # PostgreSQL's user owns its files
    shutil.rmtree(first.folder.parent, ignore_errors=True)


def set_up(folder: Path, python: str, venv: str = ".venv") -> Path:
    """A virtual environment from the lock, as a person makes it; the caches of installers are left in use."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV", "MAKE"))}
    command = ["make", "--silent", "setup", f"PYTHON={python}", f"VENV={venv}"]
    subprocess.run(command, cwd=folder, env=environ, check=True)
    return folder / venv / "bin" / "python"


def install(lock: str, venv: Path, second: Installation) -> Path:
    """An environment of what a version's lock lists, and of nothing else."""
    python, ready = venv / "bin" / "python", venv / ".ready"
    if ready.exists():
        return python
    print(f"       installing {lock.count('==')} distributions of a version's lock", flush=True)
    subprocess.run([str(second.python), "-m", "venv", "--clear", "--without-pip", str(venv)], check=True)
    written = venv / "built-with.txt"
    written.write_text(lock, encoding="utf-8")
    maker = bootstrap()
    command = [str(second.python.parent / "uv"), *maker.system_certificates(), "pip", "install", "--quiet", "--no-deps"]
    environ = {**os.environ, **maker.index(second.python), "VIRTUAL_ENV": ""}
    subprocess.run([*command, "--python", str(python), "-r", str(written)], env=environ, check=True)
    ready.touch()
    return python


def bootstrap() -> Any:
    """What sets environments up: it knows which index and whose certificates."""
    spec = spec_from_file_location("bootstrap", REPOSITORY / ".ci" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def version_of(python: str) -> str:
    """As reproduce names it, for instance ``CPython 3.11.9``."""
    program = "import platform; print(platform.python_implementation(), platform.python_version())"
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def check(work: Check, arguments: argparse.Namespace) -> None:
    first = work.first()
    place = work.beneath / "b" / "a clone"
    work.clone(place)
    own = f"{sys.base_prefix}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    second = work.installation(place, set_up(place, own))
    move(first, second)
    for around in (ONE_CORE,) if arguments.quick else SECOND:
        work.reproduce(second, around)
    if not arguments.quick:
        work.own_lock(second)
        work.imported(second)
        for around in PROCESSORS:
            work.reproduce(second, around)
    for number, python in enumerate(arguments.python):
        named = version_of(python)
        other = replace(second, python=set_up(place, python, f".venv-{number}"))
        work.reproduce(other, replace(ONE_CORE, title=named, named=(named,), one_core=False))


def workspace(given: Path | None, commit: str) -> Path:
    """The folder that is worked in: others may look into it, and not write; PostgreSQL's user has to pass."""
    folder = given or Path(tempfile.gettempdir()) / f"mlcore-reproduce-{os.getuid()}-{commit[:12]}"
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise SystemExit(f"{folder} is somebody else's: name another with --folder")
    return folder.resolve()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(MOMENTS), help="this pipeline; may be repeated")
    parser.add_argument("--python", action="append", default=[], help="another Python to rebuild with; may be repeated")
    parser.add_argument("--quick", action="store_true", help="in one surrounding, and nothing imported")
    jobs = min(len(os.sched_getaffinity(0)), len(MOMENTS))
    parser.add_argument("--jobs", type=int, default=jobs, help=f"pipelines worked on at once; here {jobs}")
    parser.add_argument("--folder", type=Path, help="work here, and keep it")
    arguments = parser.parse_args()
    began = time.monotonic()
    git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    commit = git.stdout.strip()
    folder = workspace(arguments.folder, commit)
    notebook = Notebook(folder, commit)
    print(f"commit {notebook.commit}, in {folder}", flush=True)
    names = arguments.only or list(MOMENTS)
    check(Check(folder=folder, names=names, notebook=notebook, jobs=arguments.jobs), arguments)
    right = show(notebook, names)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    minutes = ((time.monotonic() - began) / 60, (spent.ru_utime + spent.ru_stime) / 60)
    print("{:.0f} min, {:.0f} CPU min without PostgreSQL".format(*minutes))
    if right and arguments.folder is None:
        shutil.rmtree(folder)
    elif not right:
        print(f"what was found is in {folder}: remove it to begin anew")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
