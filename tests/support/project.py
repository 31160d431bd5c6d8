"""A small project with eight days of data, and runs of it in this process or in one of their own."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from textwrap import dedent

from support.forks import Forked

from mlcore.config.loader import load_pipeline
from mlcore.config.settings import Settings
from mlcore.core.request import RunRequest
from mlcore.core.window import parse_moment
from mlcore.runtime.graphs.inference import inference_graph
from mlcore.runtime.graphs.monitoring import monitoring_graph
from mlcore.runtime.graphs.retraining import retraining_graph
from mlcore.runtime.launch import LaunchResult
from mlcore.runtime.local import run_graph
from mlcore.runtime.session import Session, open_session

FIRST_DAY = date(2024, 1, 1)
AS_OF = "2024-01-10T06:00Z"
"""Trains on 1 to 4 January and evaluates on 5 to 8 January."""
LATER = "2024-01-11T06:00Z"
"""A day more."""

PIPELINE = """
    name: tiny
    schedule: "0 6 * * *"
    start_date: 2024-01-08
    data:
      source: {type: csv, path: "data/{YYYY}-{MM}-{DD}.csv"}
      columns: {id: int64, at: timestamp, colour: string, size: float64, outcome: float64}
      event_timestamp: at
      key: [id]
      span: P1D
      label: {name: big, column: outcome, above: 0, delay: P1D}
    window: {train: P4D, eval: P4D}
    features:
      colour: {transform: vocabulary}
      size: {transform: scale_to_z_score}
    model:
      estimator: sklearn.ensemble.HistGradientBoostingClassifier
      params: {max_iter: 10, random_state: 7}
    evaluation:
      metrics: [roc_auc, log_loss]
      slices: [[], [colour]]
      min_slice_rows: 20
      validation_criteria:
        - {metric: roc_auc, threshold: 0.6}
        - {metric: log_loss, against: champion, max_regression: 0.5}
    push: {infra: {max_latency_p99: PT10S, max_memory: 4GiB}}
    monitor:
      schedule: "0 7 * * *"
      current: P2D
"""


def day_file(day: date, rows: int = 120) -> str:
    """A day's rows, the same whenever they are asked for: the outcome depends on the size and on chance."""
    lines = ["id,at,colour,size,outcome"]
    for number in range(rows):
        seed = hashlib.sha256(f"{day}-{number}".encode()).digest()
        size, noise = seed[0] / 255, seed[1] / 255
        colour = ("red", "green", "blue")[seed[2] % 3]
        outcome = size + noise - 1.0
        minute = number * 1440 // rows
        at = f"{day}T{minute // 60:02}:{minute % 60:02}:00Z"
        lines.append(f"{day.toordinal() * 1000 + number},{at},{colour},{size:.4f},{outcome:.4f}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Project:
    """A project folder with its own database and artifact store."""

    settings: Settings

    @property
    def folder(self) -> Path:
        return self.settings.project

    def data(self, day: int) -> Path:
        """The file of a day of January 2024."""
        return self.folder / "data" / f"2024-01-{day:02}.csv"

    def replace(self, old: str, new: str) -> None:
        """Edit the pipeline file."""
        path = self.settings.pipelines / "tiny.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    @contextmanager
    def session(self) -> Iterator[Session]:
        with open_session(self.settings) as opened:
            yield opened

    def run(
        self,
        as_of: str = AS_OF,
        *,
        name: str = "r",
        force_push: bool = False,
        monitor: bool = False,
        infer: bool = False,
        until: str | None = None,
    ) -> dict[str, LaunchResult]:
        """Run one of the graphs here; where the rest says nothing more, ``until`` a node."""
        config = load_pipeline(self.settings.pipelines / "tiny.yaml")
        made = monitoring_graph if monitor else inference_graph if infer else retraining_graph
        graph = made(config)
        if until is not None:
            last = graph.nodes.index(graph[until])
            graph = replace(graph, nodes=graph.nodes[: last + 1])
        request = RunRequest(
            pipeline="tiny", run=name, as_of=parse_moment(as_of), force_push=force_push, reason="test" * force_push
        )
        with open_session(self.settings) as session:
            results = run_graph(session, config, graph, request=request, observer=Silent())
        return {result.node: result for result in results}

    def states(self, results: Mapping[str, LaunchResult]) -> dict[str, str]:
        return {name: result.state.value for name, result in results.items()}

    @property
    def environ(self) -> dict[str, str]:
        assert self.settings.database_url is not None
        return {
            **os.environ,
            "MLCORE_PROJECT": str(self.folder),
            "MLCORE_HOME": str(self.settings.home),
            "MLCORE_DATABASE_URL": self.settings.database_url,
            "MLCORE_ARTIFACTS": self.settings.artifacts,
            "COLUMNS": "200",
            **({"MLCORE_TRUSTED_KEYS": str(self.settings.trusted_keys)} if self.settings.trusted_keys else {}),
        }

    def start(self, *arguments: str, before: str = "") -> Forked:
        """The command line in a process of its own, after the Python code ``before``."""
        return Forked(*arguments, environ=self.environ, folder=self.folder, before=before)

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The same, when it has ended."""
        return self.start(*arguments).wait()


class Silent:
    """An observer that observes nothing."""

    def started(self, node: str) -> None: ...

    def finished(self, result: LaunchResult) -> None: ...


def make_project(folder: Path, database_url: str, days: int = 14) -> Project:
    """A project folder with the pipeline ``tiny`` and as many days of data."""
    (folder / "config" / "pipelines").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "config" / "pipelines" / "tiny.yaml").write_text(dedent(PIPELINE), encoding="utf-8")
    for offset in range(days):
        day = FIRST_DAY + timedelta(days=offset)
        (folder / "data" / f"{day}.csv").write_text(day_file(day), encoding="utf-8")
    beside = folder.parent
    return Project(
        Settings(project=folder, home=beside / "home", artifacts=str(beside / "artifacts"), database_url=database_url)
    )
