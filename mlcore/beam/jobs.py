"""What every job over Parquet files has in common: how files are divided, and how failures come back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from mlcore.beam.engine import prepared
from mlcore.beam.failures import Failure, raise_recorded
from mlcore.beam.files import parts, write
from mlcore.beam.options import LOCAL
from mlcore.config.beam import Beam
from mlcore.errors import UNWRITABLE_NEXT, ArtifactError, EngineError, MlcoreError, quoted

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

PART_ROWS = 1 << 20
"""A file of more rows is read in parts of about so many, by as many workers as there are."""
_MOST_QUOTED = 600
Place = tuple[int, int]
"""In the order of the job's files: the file's index, and its part's."""


class _File(Protocol):
    @property
    def path(self) -> str: ...


FileT = TypeVar("FileT", bound=_File)


@dataclass(frozen=True, slots=True)
class Divide(Generic[FileT]):
    """A file into its parts, by its row groups alone: the place, the file, and which groups or ``None`` for all."""

    part_rows: int

    def __call__(self, element: tuple[int, FileT]) -> Iterator[tuple[Place, FileT, range | None]]:
        index, file = element
        try:
            divided: Sequence[range | None] = parts(file.path, self.part_rows)
        except MlcoreError:
            divided = [None]  # reading it will say what is wrong
        for part, groups in enumerate(divided):
            yield (index, part), file, groups if len(divided) > 1 else None


@dataclass(frozen=True, slots=True)
class WriteFailures:
    """Keeps the failure of the first place in order: what ``running`` raises."""

    path: str

    def __call__(self, element: tuple[str, Iterable[tuple[Place, Failure]]]) -> None:
        _, failures = element
        write(self.path, min(failures)[1].encode())


@contextmanager
def running(engine: Beam | None, failures: Path) -> Iterator[PipelineOptions]:
    """The options to run one job with; raises what it failed with when it has ended.

    Args:
        engine: Where it runs; by default in this process.
        failures: The file that the job's :class:`WriteFailures` writes.

    Raises:
        EngineError: The runner cannot be had, or its job failed.
        MlcoreError: What was raised in the job, of the first place in order.
    """
    failures.unlink(missing_ok=True)
    with prepared(engine) as options:
        try:
            yield options
        except ArtifactError as error:  # not even the failures could be written; the runner kept the first line only
            raise ArtifactError(error.what, where=str(failures.parent), next_step=UNWRITABLE_NEXT) from error
        except Exception as error:
            if engine is None or engine.runner == LOCAL.runner:
                raise  # in this process it is what was raised
            raise _job_failed(engine, error) from error
    raise_recorded(failures)


def _job_failed(engine: Beam, error: Exception) -> EngineError:
    return EngineError(
        f"the Beam job failed on {engine.runner}: {quoted(str(error), _MOST_QUOTED)}",
        where=str(engine.options.get("flink_master") or engine.options.get("spark_master_url") or engine.runner),
        next_step="look into the logs of the cluster and of its Python workers; nothing was published, run again",
    )
