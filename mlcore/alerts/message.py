"""What an alert says."""

from __future__ import annotations

from dataclasses import dataclass

from mlcore.errors import MlcoreError

MAX_TITLE = 150
MAX_BODY = 4000
_MAX_TASKS = 5
_MAX_WHY = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedTask:
    """One task that failed, and why.

    Attributes:
        why: The error, or what is known where a killed process left none. Bounded when it is shown.
        tries: How often it was tried.
    """

    name: str
    why: str
    tries: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """One run that failed, or something else to tell of a pipeline.

    Attributes:
        run: Its name; empty where it is about none.
        where: The address of the run in the UI, or the command that tells more.
        tasks: Empty where the run failed without a failed task, for instance when a person marked it.
        why: Said where no task says it.
        headline: What happened, after the pipeline's name, where no task failed.
        good: Whether it is good news.
    """

    pipeline: str
    run: str
    where: str
    tasks: tuple[FailedTask, ...] = ()
    why: str = ""
    headline: str = "failed"
    good: bool = False

    def __post_init__(self) -> None:
        if not self.tasks and not self.why:
            raise MlcoreError("an alert must say why", where=f"{self.pipeline} {self.run}")

    @property
    def title(self) -> str:
        """One line, without control characters, bounded.

        >>> Alert(pipeline="flight_delays", run="r1", where="", tasks=(FailedTask(name="trainer", why="x"),)).title
        'flight_delays failed in trainer (run r1)'
        """
        names = ", ".join(task.name for task in self.tasks[:_MAX_TASKS])
        failed = f"failed in {names}" if names else self.headline
        within = f" (run {self.run})" if self.run else ""
        return _cut(_printable(f"{self.pipeline} {failed}{within}").replace("\n", " "), MAX_TITLE)

    @property
    def body(self) -> str:
        """Plain text; whoever shows it as something else escapes it."""
        blocks = [f"pipeline: {self.pipeline}" + (f"\nrun: {self.run}" if self.run else "")]
        if self.why:
            blocks.append(f"why: {_cut(self.why, _MAX_WHY)}")
        for task in self.tasks[:_MAX_TASKS]:
            tries = f" after {task.tries} tries" if task.tries > 1 else ""
            blocks.append(f"failed: {task.name}{tries}\nwhy: {_cut(task.why, _MAX_WHY)}")
        if len(self.tasks) > _MAX_TASKS:
            blocks.append(f"and {len(self.tasks) - _MAX_TASKS} more tasks")
        blocks.append(f"look at: {self.where}")
        return _cut(_printable("\n\n".join(blocks)), MAX_BODY)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() or character == "\n" else " " for character in text)
