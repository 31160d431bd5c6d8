"""Examples to Examples with columns of each row's past, a span at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.components.base import Payload, SpanComponent, SpanTask, split_folders
from mlcore.core.folders import split_path
from mlcore.core.past import spans_before
from mlcore.core.types import ArtifactType, Json
from mlcore.core.window import Span

if TYPE_CHECKING:
    import pyarrow as pa

_LOG = logging.getLogger(__name__)
_ROWS_AT_ONCE = 250_000
_SHOWN = 10


class HistoryGen(SpanComponent):
    """Makes the columns of ``data.history`` for the rows of each span, of its own and of earlier spans' rows.

    Of the earlier spans only the columns are read that something is made of. Where several spans are new, as in a
    backfill, they look back together.
    """

    input = ArtifactType.EXAMPLES
    output = ArtifactType.EXAMPLES
    code = ("transform.history", "transform.contract", "ingest.examples")
    libraries = ("pyarrow", "numpy")

    @property
    def parameters(self) -> Mapping[str, Json]:
        data, declared = self.config.data, self.config.data.known_history
        history: dict[str, Json] = {name: one.model_dump(mode="json") for name, one in declared.items()}
        read = {name for one in declared.values() for name in (*one.by, one.column) if name is not None}
        return {
            "history": history,
            "order": [*declared],  # JSON keeps no order of keys
            "types": {name: data.columns[name] for name in sorted(read)},
            "event_timestamp": data.event_timestamp,
            "folders": [*split_folders(data.split)],
        }

    @property
    def look_back(self) -> timedelta:
        return self.config.data.look_back

    def run(self, tasks: Sequence[SpanTask]) -> None:
        for together in _portions(sorted(tasks, key=lambda task: task.span)):
            self._run(together)

    def _run(self, tasks: Sequence[SpanTask]) -> None:
        import pyarrow as pa

        from mlcore.transform.history.columns import add_history, columns_of_past, history_columns

        data = self.config.data
        history = history_columns(data)
        read = list(columns_of_past(history, data.event_timestamp))
        own = {task.span for task in tasks}
        before = {one.artifact.span: one for task in tasks for one in task.past if one.artifact.span not in own}
        past = [self._read(folder, read) for one in before.values() for folder in self._folders(one.path)]
        folders = [
            (task, name, self._read(split_path(task.source.path, name), read))
            for task in tasks
            for name in split_folders(data.split)
        ]
        rows = [found for _, _, found in folders]
        made = add_history(
            pa.concat_tables(rows), pa.concat_tables([*past, *rows]), history, event_timestamp=data.event_timestamp
        ).select([one.name for one in history])
        start = 0
        empty: dict[int, set[str]] = {}
        for task, name, found in folders:
            part = made.slice(start, found.num_rows)
            start += found.num_rows
            _write(split_path(task.source.path, name), split_path(task.output.path, name), part)
            nothing = {column for column in part.column_names if part[column].null_count == part.num_rows}
            empty[task.source.artifact.id] = empty.get(task.source.artifact.id, nothing) & nothing
        for task in tasks:
            self._finish(task, sorted(empty[task.source.artifact.id]))

    def _finish(self, task: SpanTask, empty: Sequence[str]) -> None:
        """Copy what else there is of the span, and record what is known of it."""
        _copy_beside(task.source.path, task.output.path)
        known = task.source.artifact.properties
        was_empty = known.get("empty")
        task.output.properties.update(known)
        task.output.properties["empty"] = [*(was_empty if isinstance(was_empty, list) else []), *empty]
        missing = self._not_there(task)
        task.output.properties["history_without"] = [*missing]
        if missing:
            _LOG.warning(
                "%s: the history is incomplete: %d spans to look back on are not there: %s",
                task.span.label, len(missing), ", ".join(missing[:_SHOWN]) + ", ..." * (len(missing) > _SHOWN),
            )  # fmt: skip

    def _not_there(self, task: SpanTask) -> list[str]:
        there = {one.artifact.span for one in task.past}
        spans = spans_before(task.span, self.config.data.span, self.look_back)
        return sorted(span.label for span in spans if span not in there)

    def _folders(self, path: Path) -> list[Path]:
        return [split_path(path, name) for name in split_folders(self.config.data.split)]

    @staticmethod
    def _read(folder: Path, columns: Sequence[str]) -> pa.Table:
        from mlcore.ingest.examples import read_examples

        return read_examples([folder], columns)


def _portions(tasks: Sequence[SpanTask]) -> Iterator[list[SpanTask]]:
    """Spans to work on together: as many rows as those they look back on, so that these are read twice at most.

    What they look back on is the same content of every span: a rebuild may hold several.
    """
    waiting: list[SpanTask] = []
    contents: dict[Span | None, str] = {}
    for task in tasks:
        read = {one.artifact.span: one.artifact.digest for one in (task.source, *task.past)}
        enough = max(_ROWS_AT_ONCE, sum(map(_rows, waiting[0].past))) if waiting else 0
        differs = any(contents.get(span, digest) != digest for span, digest in read.items())
        if waiting and (differs or sum(_rows(one.source) for one in waiting) >= enough):
            yield waiting
            waiting, contents = [], {}
        waiting.append(task)
        contents |= read
    if waiting:
        yield waiting


def _rows(payload: Payload) -> int:
    rows = payload.artifact.properties.get("rows")
    return rows if isinstance(rows, int) else 0


def _write(source: Path, folder: Path, made: pa.Table) -> None:
    """The rows of a folder of Examples with further columns, into another."""
    import pyarrow as pa

    from mlcore.ingest.examples import ExamplesWriter, iter_batches, stored_schema

    folder.mkdir(exist_ok=True)
    schema = stored_schema(source)
    for column in made.schema:
        schema = schema.append(column)
    start = 0
    with ExamplesWriter(folder, schema) as writer:
        for batch in iter_batches([source]):
            columns = made.slice(start, batch.num_rows).combine_chunks().columns
            start += batch.num_rows
            further = [column.combine_chunks() for column in columns]
            writer.write(pa.RecordBatch.from_arrays([*batch.columns, *further], schema=schema))


def _copy_beside(source: Path, folder: Path) -> None:
    """What lies beside the rows: quarantine, hashes of keys."""
    from mlcore.ingest.examples import FILE_NAME

    for path in source.iterdir():
        if path.is_dir():
            _copy_beside(path, folder / path.name)
        elif path.name != FILE_NAME:
            (folder / path.name).write_bytes(path.read_bytes())
