"""What actors do to an installation, and what must be found of it once it was acknowledged."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
from sqlalchemy import Connection, text
from support.crash.world import World

from mlcore.core.window import iso, parse_moment

TASK = """
import os, sys
import mlcore.cli.main

def task(pipeline, run, moment, node, upstream):
    from mlcore.config.loader import find_pipeline
    from mlcore.config.settings import Settings
    from mlcore.core.request import RunRequest
    from mlcore.core.window import parse_moment
    from mlcore.errors import MlcoreError
    from mlcore.runtime.graphs.retraining import retraining_graph
    from mlcore.runtime.launch import launch
    from mlcore.runtime.session import open_session

    settings = Settings.from_environ(os.environ)
    config = find_pipeline(settings.pipelines, pipeline)
    request = RunRequest(pipeline=pipeline, run=run, as_of=parse_moment(moment))
    try:
        with open_session(settings) as session:
            done = launch(session, config, retraining_graph(config), node, request=request, upstream=upstream)
    except MlcoreError as error:
        sys.stderr.write(f"error: {error}")
        sys.exit(1)
    print(done.execution_id)

mlcore.cli.main.run = lambda: task(*JOB)
"""
"""One node launched as Airflow's tasks are: in a process of its own, knowing the ids of those before it."""
NODES = (
    "example_gen", "statistics_gen", "schema_gen", "example_validator", "transform_analyzer", "transform", "trainer",
    "evaluator", "infra_validator", "pusher",
)  # fmt: skip
Check = Callable[[World, Connection], str]
"""Tells what is lost; empty for nothing."""
_ENDED = "('COMPLETE', 'CACHED')"


def one_row(table: str, what: str, **wanted: object) -> Check:
    """That a table has exactly one row with these values."""

    def check(world: World, connection: Connection) -> str:
        del world
        where = " AND ".join(f"{name} IS NOT DISTINCT FROM :{name}" for name in wanted)
        count = connection.execute(text(f"SELECT count(*) FROM {table} WHERE {where}"), wanted).scalar()
        return "" if count == 1 else f"{what}: {count} rows of {table} where {wanted}"

    return check


@dataclass
class Act:
    """Something that is done in one process.

    Attributes:
        kind: Of the act.
        arguments: Of the command line.
        before: Code to run first, in place of the command line.
        reason: By which it is found again.
        table: Where an act that was not acknowledged may have left one row with that reason.
        acknowledged: From what the process said, what must be found afterwards; each check tells what is lost.
    """

    kind: str
    arguments: Sequence[str]
    acknowledged: Callable[[subprocess.CompletedProcess[str], int], Check]
    before: str = ""
    reason: str = ""
    table: str = ""


def run_(pipeline: str, moment: str) -> Act:
    """A whole run in one process."""
    return Act("run", ("run", pipeline, "--at", moment), lambda done, pid: _ended(pipeline, moment, pid, NODES))


def monitor_(pipeline: str, moment: str) -> Act:
    """Drift is looked for; and, where there is one, at the challenger."""
    nodes = ["example_gen", "statistics_gen", "drift_monitor"]
    if pipeline == "contested":
        nodes += ["challenger_evaluator", "challenger_pusher"]
    return Act("monitor", ("monitor", pipeline, "--at", moment), lambda done, pid: _ended(pipeline, moment, pid, nodes))


def _ended(pipeline: str, moment: str, pid: int, nodes: Sequence[str]) -> Check:
    """A run by this process, all of whose nodes ended well."""
    query = text(
        f"SELECT run, array_agg(state IN {_ENDED} ORDER BY id) AS well, count(*) FROM execution"
        " WHERE pipeline = :pipeline AND origin->>'pid' = :pid AND run LIKE :run"
        " AND (fingerprint IS NULL OR origin ? 'node') GROUP BY run"
    )

    def check(world: World, connection: Connection) -> str:
        del world
        values = {"pipeline": pipeline, "pid": str(pid), "run": f"cli__{iso(parse_moment(moment))}__%"}
        found = connection.execute(query, values).all()
        return "" if any(row.well == [True] * len(nodes) for row in found) else f"{moment} by {pid}: {found}"

    return check


def task(pipeline: str, run: str, moment: str, node: str, upstream: dict[str, int]) -> Act:
    """One node in one process; it says its execution's id."""
    job = (pipeline, run, moment, node, upstream)

    def acknowledged(done: subprocess.CompletedProcess[str], pid: int) -> Check:
        del pid
        execution_id = int(done.stdout.split()[-1])

        def check(world: World, connection: Connection) -> str:
            del world
            query = f"SELECT count(*) FROM execution WHERE id = :id AND run = :run AND state IN {_ENDED}"
            found = connection.execute(text(query), {"id": execution_id, "run": run}).scalar()
            return "" if found == 1 else f"execution {execution_id}, {node} of {run}"

        return check

    return Act("task", ("run",), acknowledged, before=f"JOB = {job!r}\n{TASK}")


def move(rng: Random, number: int, pipeline: str, versions: Sequence[int], pending: Sequence[int]) -> Act:
    """An alias is moved, a champion pinned or released, a version approved of or not."""
    reason = f"act {number}"
    version = rng.choice(list(versions) or [1])
    verbs = ["rollback", "rollback", "promote", "pin", "unpin", "unpin", "set"]
    verb = rng.choice(["approve", "approve", "reject"] if pending and rng.random() < 0.7 else verbs)
    if verb in ("approve", "reject"):
        chosen = rng.choice(list(pending))
        arguments = ("models", verb, pipeline, str(chosen), "--reason", reason, "--json")
        verdict = "APPROVED" if verb == "approve" else "REJECTED"
        return Act(
            verb, arguments,
            lambda done, pid: one_row("approval_history", verb, pipeline=pipeline, reason=reason, verdict=verdict),
            reason=reason, table="approval_history",
        )  # fmt: skip
    if verb in ("pin", "unpin"):
        return Act(
            verb, ("models", verb, pipeline, "--reason", reason, "--json"),
            lambda done, pid: one_row(
                "pin_history", verb, pipeline=pipeline, reason=reason, version=json.loads(done.stdout).get("pinned")
            ),
            reason=reason, table="pin_history",
        )  # fmt: skip
    if verb == "set":
        name = f"of-{number}"
        return Act(
            "alias set", ("models", "alias", "set", pipeline, name, str(version), "--reason", reason, "--json"),
            lambda done, pid: one_row("alias_history", verb, pipeline=pipeline, alias=name, to_version=version),
            reason=reason, table="alias_history",
        )  # fmt: skip

    return _champion(pipeline, verb, (str(version),) if verb == "promote" else (), reason)


def promote(pipeline: str, version: int, number: int) -> Act:
    """A version becomes the champion by name."""
    return _champion(pipeline, "promote", (str(version),), f"act {number}")


def _champion(pipeline: str, verb: str, given: Sequence[str], reason: str) -> Act:
    def acknowledged(done: subprocess.CompletedProcess[str], pid: int) -> Check:
        del pid
        said = json.loads(done.stdout)
        return one_row(
            "alias_history", verb, pipeline=pipeline, alias="champion", reason=reason,
            from_version=said["was"], to_version=said["champion"],
        )  # fmt: skip

    arguments = ("models", verb, pipeline, *given, "--reason", reason, "--json")
    return Act(verb, arguments, acknowledged, reason=reason, table="alias_history")


def collect_() -> Act:
    """What nothing needs is removed."""

    def acknowledged(done: subprocess.CompletedProcess[str], pid: int) -> Check:
        del pid
        removed = [item["uri"] for item in json.loads(done.stdout)["found"]]

        def check(world: World, connection: Connection) -> str:
            del connection
            left = [uri for uri in removed if (world.store / uri).exists()]
            return f"gc removed {left}, which are there" if left else ""

        return check

    return Act("gc", ("gc", "--yes", "--json"), acknowledged)


def predict_(pipeline: str, source: Path, out: Path) -> Act:
    """A file of predictions, over that of before."""

    def acknowledged(done: subprocess.CompletedProcess[str], pid: int) -> Check:
        del done, pid

        def check(world: World, connection: Connection) -> str:
            del world, connection
            return "" if pq.read_metadata(out).num_rows else f"{out} holds nothing"

        return check

    return Act("predict", ("predict", pipeline, str(source), "--out", str(out)), acknowledged)


def export_(pipeline: str, version: int, out: Path) -> Act:
    """A version as one file."""

    def acknowledged(done: subprocess.CompletedProcess[str], pid: int) -> Check:
        del pid
        said = done.stdout.rsplit(" ", 1)[-1].strip()

        def check(world: World, connection: Connection) -> str:
            del world, connection
            found = f"sha256:{hashlib.sha256(out.read_bytes()).hexdigest()}" if out.exists() else "nothing"
            return "" if found == said else f"{out}: {said} was written, {found} is there"

        return check

    return Act("export", ("models", "export", pipeline, str(version), str(out)), acknowledged)


def import_(archive: Path) -> Act:
    """A version of another installation."""

    def acknowledged(done: subprocess.CompletedProcess[str], pid: int) -> Check:
        del pid
        found = re.match(r"version (\d+) of (\w+) .*: (sha256:\w+)", done.stdout)
        assert found is not None, done.stdout
        version, pipeline, digest = found.groups()
        return one_row("model_version", "import", pipeline=pipeline, version=int(version), digest=digest)

    return Act("import", ("models", "import", str(archive)), acknowledged)


def no_row(table: str, what: str, reason: str) -> Check:
    """That what was refused has left nothing."""

    def check(world: World, connection: Connection) -> str:
        del world
        count = connection.execute(text(f"SELECT count(*) FROM {table} WHERE reason = :reason"), {"reason": reason})
        return "" if count.scalar() == 0 else f"{what} was refused, and {table} has it: {reason}"

    return check
