"""The storm: actors that act, most of whom are killed, a server that is asked meanwhile, and the database's server."""

from __future__ import annotations

import itertools
import re
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import httpx
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from support.crash import acts
from support.crash.acts import Act, Check
from support.crash.moments import Victim, kill_sometime
from support.crash.world import PIPELINES, ROLES, World

from mlcore.core.window import iso
from mlcore.platform.keeper import KeeperState
from mlcore.platform.layout import Layout
from mlcore.platform.processes import ProcessId, keepers_of

FIRST_MOMENT = datetime(2024, 1, 10, 6, tzinfo=UTC)
_AWAY = "does not answer"
_MOST_SECONDS = 240.0
_MOST_PROBLEMS = 5
_NUMBER = re.compile(r"\b\d+\b|(?<=/)[^ ]+")
_ROW = {"row": {"colour": "red", "size": 0.3}}


def moments(days: int) -> list[str]:
    """What runs may know of: a day after another, while there is data."""
    return [iso(FIRST_MOMENT + timedelta(days=day)) for day in range(days - 10)]


@dataclass
class Storm:
    """What happened.

    Attributes:
        most_kills: It ends when so many processes were killed.
        moments: Of runs, oldest first.
        archives: Of versions of another installation.
        between_servers_seconds: Between two kills of a postmaster: so long at least, and half as long more. The keeper
            takes three lives of less than ten seconds in a row for a server that cannot live.
        kills: By what was killed.
        where: By moment.
        outcomes: By act, and how it ended.
        errors: What acts said that failed, without numbers.
        acknowledged: Of every act that said it was done, what must be found.
        problems: What must never be, in words.
        reached: By pipeline, the moments that runs were asked for.
    """

    world: World
    seed: int
    most_kills: int
    moments: list[str]
    archives: list[Path]
    between_servers_seconds: float
    kills: Counter[str] = field(default_factory=Counter)
    where: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    acknowledged: list[Check] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    reached: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in PIPELINES})
    served: set[int] = field(default_factory=set)
    answers: int = 0
    say: Callable[[str], None] = lambda line: None
    _told: int = 0
    _until: float = 0.0
    _typical: dict[str, float] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _over: threading.Event = field(default_factory=threading.Event)

    def rage(self, *, actors: int = 3, most_seconds: float = 3600.0) -> None:
        """Act and kill until enough was killed; everything that was started has ended then."""
        self._until = time.monotonic() + most_seconds
        calm = Random(self.seed)
        for number, archive in enumerate(self.archives[:1], start=1):
            self.do(acts.import_(archive), calm, ROLES[0], spared=1)
            self.do(acts.promote(PIPELINES[0], number, next(self._numbers)), calm, ROLES[0], spared=1)
        work: list[Callable[[], None]] = [
            *(lambda role=role: self._act_on(role) for role in ROLES[:actors]),  # type: ignore[misc]
            self._serve_on,
            self._trouble_the_server,
        ]
        threads = [threading.Thread(target=self._guarded, args=(one,)) for one in work]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        finally:
            self._over.set()  # when it is interrupted, too

    @property
    def killed(self) -> int:
        return sum(self.kills.values())

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self.problems.append(f"the test itself: {error!r}")
            raise
        finally:
            self._over.set()

    def _on(self) -> bool:
        if self.killed >= self._told + 25:
            self._told = self.killed
            self.say(f"  {self.killed} kills")
        if self.killed >= self.most_kills or time.monotonic() > self._until or len(self.problems) > _MOST_PROBLEMS:
            self._over.set()
        return not self._over.is_set()

    # Actors

    def _act_on(self, role: str) -> None:
        rng = Random(f"{self.seed} {role}")
        while self._on():
            if rng.random() < 0.12:
                self._tasks(rng, role)
            else:
                self.do(self._choose(rng), rng, role)

    def _tasks(self, rng: Random, role: str) -> None:
        """A run whose nodes are processes, each tried up to four times: as Airflow does."""
        pipeline, moment = self._window(rng)
        run, upstream = f"tasks__{moment}__{next(self._numbers)}", dict[str, int]()
        for node in acts.NODES:
            for _ in range(4):
                done = self.do(acts.task(pipeline, run, moment, node, upstream), rng, role, spared=0.75)
                if done is not None and done.returncode == 0:
                    upstream[node] = int(done.stdout.split()[-1])
                    break
                if not self._on():
                    return
            else:
                return

    def _choose(self, rng: Random) -> Act:
        kind = rng.choices(("run", "move", "gc", "monitor", "predict", "export", "import"), (24, 42, 8, 5, 6, 8, 7))[0]
        pipeline, moment = self._window(rng, reaching=kind == "run")
        if kind == "run":
            return acts.run_(pipeline, moment)
        if kind == "gc":
            return acts.collect_()
        if kind == "monitor":
            return acts.monitor_(pipeline, moment)
        if kind == "import" and self.archives:
            return acts.import_(rng.choice(self.archives))
        versions, pending = self._versions(pipeline)
        number = next(self._numbers)
        if kind == "predict":
            out = self.world.root / "out" / f"{rng.randrange(3)}.parquet"
            return acts.predict_(pipeline, self.world.project.data(rng.randrange(5, 15)), out)
        if kind == "export":
            return acts.export_(pipeline, rng.choice(versions or [1]), self.world.root / "out" / f"{number}.zip")
        return acts.move(rng, number, pipeline, versions, pending)

    def _window(self, rng: Random, *, reaching: bool = True) -> tuple[str, str]:
        """The next day, the newest again (perhaps at the same time as another actor), or one of long ago."""
        pipeline = rng.choices(PIPELINES, (3, 1, 1))[0]
        reached = self.reached[pipeline]
        newest = max((self.moments.index(moment) for moment in reached), default=0)
        place = rng.choices((newest + 1, newest, rng.randrange(newest + 1)), (2, 5, 2))[0]
        moment = self.moments[min(place, len(self.moments) - 1)]
        if reaching:
            reached.add(moment)
        return pipeline, moment

    def _versions(self, pipeline: str) -> tuple[list[int], list[int]]:
        pending = (
            "SELECT version FROM model_version JOIN (SELECT DISTINCT ON (digest) digest, verdict FROM approval_history"
            " WHERE pipeline = :pipeline ORDER BY digest, id DESC) said USING (digest)"
            " WHERE pipeline = :pipeline AND verdict = 'REQUESTED' ORDER BY 1"
        )
        known = "SELECT version FROM model_version WHERE pipeline = :pipeline ORDER BY 1"
        try:
            with self.world.connected() as connection:
                values = {"pipeline": pipeline}
                return (
                    list(connection.scalars(text(known), values)),
                    list(connection.scalars(text(pending), values)),
                )
        except SQLAlchemyError:
            return [], []

    def do(self, act: Act, rng: Random, role: str, *, spared: float = 0.3) -> subprocess.CompletedProcess[str] | None:
        """Do one thing, which may be killed, and note how it ended."""
        embedded = rng.random() < 0.15 and act.kind != "task"
        if rng.random() < 0.8:  # else it meets a server that is away
            self.world.wait_for_server()
        process = self.world.start(*act.arguments, role=None if embedded else role, before=act.before)
        identity = ProcessId.of(process.pid)
        started, moment, target = time.monotonic(), "", ""
        if identity is not None and rng.random() > spared:
            target = "backend" if rng.random() < 0.15 and not embedded else act.kind
            kill = (lambda: self._kill_backend(role)) if target == "backend" else lambda: identity.send(signal.SIGKILL)
            typical = self._typical.get(act.kind, 1.0)
            victim = Victim(identity, None if embedded else role, typical, kill)
            moment = kill_sometime(self.world, victim, rng)
        try:
            done = process.wait(_MOST_SECONDS)
        except TimeoutError as error:
            self.problems.append(f"{act.kind} hangs: {error}")
            return None
        seconds = time.monotonic() - started
        if done.returncode == -signal.SIGKILL and target not in ("", "backend"):
            self.kills[f"mlcore {target}"] += 1
            self.where[moment] += 1
        self._note(act, done, process.pid, seconds)
        return done

    def _note(self, act: Act, done: subprocess.CompletedProcess[str], pid: int, seconds: float) -> None:
        code = done.returncode
        how = {0: "done", -9: "killed"}.get(code, "unavailable" if _AWAY in done.stderr else "refused")
        self.outcomes[f"{act.kind}: {how}"] += 1
        if code == 0:
            self._typical[act.kind] = 0.7 * self._typical.get(act.kind, seconds) + 0.3 * seconds
            self.acknowledged.append(act.acknowledged(done, pid))
        elif code != -signal.SIGKILL:
            self.errors[
                _NUMBER.sub("N", (done.stderr.partition("error: ")[2] or done.stderr).splitlines()[0][:160])
            ] += 1
        if code not in (0, -signal.SIGKILL) and (
            code not in (1, 2) or "error: " not in done.stderr or "Traceback" in done.stderr
        ):
            self.problems.append(f"{' '.join(map(str, act.arguments))} ended with {code}: {done.stderr[-3000:]}")
        if how == "refused" and act.table:
            self.acknowledged.append(acts.no_row(act.table, act.kind, reason=act.reason))

    # The database's server

    def _kill_backend(self, role: str) -> None:
        """The server's process for a connection: the server ends all others too, and recovers."""
        query = text("SELECT pid FROM pg_stat_activity WHERE usename = :role ORDER BY state = 'idle', pid")
        try:
            with self.world.connected() as connection:
                found = [ProcessId.of(pid) for pid in connection.scalars(query, {"role": role})]
        except SQLAlchemyError:
            return
        if found and found[0] is not None:
            found[0].send(signal.SIGKILL)
            self.kills["PostgreSQL backend"] += 1

    def _trouble_the_server(self) -> None:
        """Kill the postmaster, or the process that keeps it, and see that it is kept, as every user of it does."""
        rng = Random(f"{self.seed} server")
        layout = Layout.of(self.world.project.settings.home)
        again = time.monotonic() + self.between_servers_seconds * rng.random()
        while self._on():
            if time.monotonic() > again:
                again = time.monotonic() + self.between_servers_seconds * (1 + rng.random())
                postmaster = KeeperState.read(layout).postmaster
                if rng.random() < 0.25:
                    for keeper in keepers_of(layout.home):
                        if keeper != postmaster:
                            keeper.send(signal.SIGKILL)
                            self.kills["keeper of PostgreSQL"] += 1
                elif postmaster is not None and postmaster.alive:
                    postmaster.send(signal.SIGKILL)
                    self.kills["postmaster"] += 1
            self.world.server.ensure_kept()
            time.sleep(0.2)

    # A server of predictions

    def _serve_on(self) -> None:
        rng = Random(f"{self.seed} serving")
        while self._on():
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            server = self.world.start("serve", PIPELINES[0], "--port", str(port), role="serving")
            identity = ProcessId.of(server.pid)
            began, answered, more = time.monotonic(), self.answers, rng.random() * 20
            early, until = rng.random() < 0.2, time.monotonic() + more
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                while self._on() and identity is not None and identity.alive:
                    if self.answers == answered and not early and time.monotonic() - began < 60:
                        until = time.monotonic() + more
                    elif time.monotonic() > until:
                        break
                    self._ask(client)
                    time.sleep(0.1)
            if identity is not None:
                identity.send(signal.SIGKILL)
            code = server.wait().returncode
            if code == -signal.SIGKILL:
                self.kills["mlcore serve"] += 1

    def _ask(self, client: httpx.Client) -> None:
        try:
            answer = client.post("/v1/predict", json=_ROW)
        except httpx.TransportError:
            return  # it is not there yet; or was killed, and nothing is promised then
        if answer.status_code == 200:
            self.answers += 1
            self.served.add(int(answer.json()["model_version"]))
        elif answer.status_code != 503:
            self.problems.append(f"the server answered {answer.status_code}: {answer.text[:500]}")
