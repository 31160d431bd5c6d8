"""The picture of a drift report: Evidently on a sample of the rows. Nothing is decided on it.

What Evidently does not survive or does not say is dealt with here: a column without any value (it raises), one that
is not on both sides (it is skipped in silence), nullable integers and booleans (it divides by zero), infinity, missing
values (it drops them), its choice of method by the number of rows, and random ids, clocks and last bits in what it
saves.

    drift_report/
    ├── report.json         values, methods, missing shares, what was left out and why; some kilobytes
    └── snapshot.json.gz    Evidently's own snapshot, with ids and times made reproducible
"""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from mlcore.config.pipeline import PipelineConfig
from mlcore.core.digests import canonical_json
from mlcore.core.types import Json
from mlcore.core.window import iso
from mlcore.errors import ArtifactCorrupt, ArtifactMissing, ComponentFailed, DataError, PlatformError, quoted

if TYPE_CHECKING:
    import pandas as pd

REPORT_NAME = "report.json"
SNAPSHOT_NAME = "snapshot.json.gz"

MAX_CATEGORIES = 50
"""Categories beyond the most frequent ones are drawn as one."""

_OTHER = "(other)"
_DIGITS = 8
_THRESHOLD = 0.1
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def report_columns(
    config: PipelineConfig, *, extra: Sequence[str] = (), without: Sequence[str] = ()
) -> tuple[str, ...]:
    """The columns worth a picture: those that features read, without moments and dates, and what is asked for.

    Keys that no feature reads, the label and its outcome are not among them.

    Args:
        config: The pipeline.
        extra: Further columns.
        without: Features to leave out; a column that another feature reads stays.
    """
    kept = ((name, feature) for name, feature in config.features.items() if name not in without)
    read = dict.fromkeys(column for name, feature in kept for column in feature.columns_of(name))
    kinds = config.data.all_columns
    return tuple(dict.fromkeys([*(name for name in read if kinds[name] not in ("date", "timestamp")), *extra]))


def write_report(folder: Path, *, reference: pa.Table, current: pa.Table, columns: Sequence[str], at: datetime) -> None:
    """Write ``report.json`` and ``snapshot.json.gz`` into a folder that exists.

    Equal samples, columns and moments give equal bytes.

    Args:
        folder: Where to write.
        reference: Sample of the rows the champion was trained on.
        current: Sample of the newest rows.
        columns: What to report on.
        at: The moment of the run; it stands where Evidently would put the time of day.

    Raises:
        DataError: A side has no rows, or no column has values on both sides.
        ComponentFailed: Evidently raised.
    """
    sides = _sides(reference, current, columns)
    snapshot = _run(sides, at)
    text = _reproducible(snapshot.dumps())
    report: dict[str, Json] = {
        "at": iso(at),
        "rows": {"reference": reference.num_rows, "current": current.num_rows},
        "left_out": dict(sides.left_out),
        "missing": {name: _missing(reference, current, name) for name in columns},
        "infinite": {name: _infinite(reference, current, name) for name in sides.numeric},
        "metrics": _metrics(snapshot.dict()["metrics"]),
    }
    (folder / REPORT_NAME).write_bytes(canonical_json(report))
    (folder / SNAPSHOT_NAME).write_bytes(_gzip(text.encode()))


def read_report(folder: Path) -> dict[str, Any]:
    """Read ``report.json``.

    Raises:
        ArtifactMissing: It is not there.
        ArtifactCorrupt: It is no JSON object.
    """
    value = json.loads(_content(folder / REPORT_NAME))
    if not isinstance(value, dict):
        raise ArtifactCorrupt("the report is no object", where=str(folder), next_step="run the monitor again")
    return value


def render_html(folder: Path) -> str:
    """The report as one HTML page that needs nothing else; a few megabytes.

    It holds names and values from the data unescaped: show it sandboxed and under a policy without network only.

    Raises:
        ArtifactMissing: The snapshot was not kept.
        ArtifactCorrupt: It is no snapshot of this version of Evidently.
    """
    text = _content(folder / SNAPSHOT_NAME).decode()
    with _evidently():
        from evidently.core.report import Snapshot

        try:
            html: str = Snapshot.loads(text).get_html_str(as_iframe=False)
        except Exception as error:
            raise _corrupt(folder / SNAPSHOT_NAME, error) from error
    return html


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sides:
    """Both samples in a form that Evidently digests."""

    reference: pd.DataFrame
    current: pd.DataFrame
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    left_out: dict[str, str]


def _sides(reference: pa.Table, current: pa.Table, columns: Sequence[str]) -> _Sides:
    for name, table in (("reference", reference), ("current", current)):
        if not table.num_rows:
            raise DataError(f"the {name} sample has no rows", next_step="choose a moment whose window has data")
    left_out = {name: reason for name in columns if (reason := _unusable(reference, current, name))}
    used = [name for name in columns if name not in left_out]
    if not used:
        raise DataError(
            f"none of {len(columns)} columns has values in the reference and in the current data",
            where=quoted(left_out),
            next_step="look at the newest source files: their columns are empty or gone",
        )
    numeric = tuple(name for name in used if not _is_category(reference[name].type))
    frames = _frames(reference, current, used)
    return _Sides(
        reference=frames[0],
        current=frames[1],
        numeric=numeric,
        categorical=tuple(name for name in used if name not in numeric),
        left_out=left_out,
    )


def _unusable(reference: pa.Table, current: pa.Table, name: str) -> str:
    for side, table in (("reference", reference), ("current data", current)):
        if name not in table.column_names:
            return f"not in the {side}"
        if not _present(table[name]):
            return f"no value in the {side}"
    if _is_category(reference[name].type) != _is_category(current[name].type):
        return "numbers on one side, text on the other"
    return ""


def _frames(reference: pa.Table, current: pa.Table, names: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    import pandas as pd

    sides: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for name in names:
        columns = (reference[name], current[name])
        if _is_category(columns[0].type):
            texts = [column.cast(pa.string()).combine_chunks() for column in columns]
            frequent = _frequent(texts)
            values = [_with_other(text, frequent).to_numpy(zero_copy_only=False) for text in texts]
            values = [pd.Series(value, dtype=object) for value in values]
        else:
            values = [_finite(column).to_numpy() for column in columns]
        for side, value in zip(sides, values, strict=True):
            side[name] = value
    return pd.DataFrame(sides[0]), pd.DataFrame(sides[1])


def _frequent(texts: Sequence[pa.Array]) -> pa.Array:
    counts = pc.value_counts(pa.concat_arrays(texts).drop_null()).to_pylist()
    ranked = sorted(counts, key=lambda item: (-item["counts"], item["values"]))
    return pa.array([item["values"] for item in ranked[:MAX_CATEGORIES]], pa.string())


def _with_other(text: pa.Array, frequent: pa.Array) -> pa.Array:
    keep = pc.or_(pc.is_in(text, frequent), text.is_null())
    return pc.if_else(keep, text, _OTHER)


def _finite(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers as float64 with everything that is no finite number missing."""
    numbers = column.cast(pa.float64(), safe=False)
    return pc.if_else(pc.is_finite(numbers), numbers, None)


def _is_category(kind: pa.DataType) -> bool:
    return not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _present(column: pa.ChunkedArray) -> int:
    if not _is_category(column.type):
        column = _finite(column)
    return len(column) - int(column.null_count)


def _missing(reference: pa.Table, current: pa.Table, name: str) -> list[Json]:
    """Share of the rows without a value, before and now; a column that is not there is missing altogether."""
    return [
        1.0 - _present(table[name]) / table.num_rows if name in table.column_names else 1.0
        for table in (reference, current)
    ]


def _infinite(reference: pa.Table, current: pa.Table, name: str) -> list[Json]:
    return [
        pc.sum(pc.is_inf(table[name].cast(pa.float64(), safe=False))).as_py() or 0 for table in (reference, current)
    ]


@contextmanager
def _evidently() -> Iterator[None]:
    """Evidently importable, without telemetry and without the warnings of its own dependencies."""
    import pandas as pd

    if tuple(int(part) for part in pd.__version__.split(".")[:2]) >= (3, 1):
        raise PlatformError(
            f"Evidently cannot be imported with pandas {pd.__version__}", next_step='pip install "pandas<3.1"'
        )
    os.environ["DO_NOT_TRACK"] = "1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _run(sides: _Sides, at: datetime) -> Any:
    """Evidently's snapshot. Methods are named, so that they do not change with the number of rows."""
    with _evidently():
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(numerical_columns=list(sides.numeric), categorical_columns=list(sides.categorical))
        preset = DataDriftPreset(
            columns=[*sides.numeric, *sides.categorical],
            num_method="wasserstein",
            num_threshold=_THRESHOLD,
            cat_method="jensenshannon",
            cat_threshold=_THRESHOLD,
        )
        try:
            return Report([preset]).run(
                Dataset.from_pandas(sides.current, data_definition=definition),
                Dataset.from_pandas(sides.reference, data_definition=definition),
                timestamp=at,
            )
        except Exception as error:
            raise ComponentFailed(
                f"Evidently could not make a report: {type(error).__name__}: {quoted(str(error))}",
                where=quoted([*sides.numeric, *sides.categorical]),
                next_step="the decision does not need it; look at the columns named above",
            ) from error


def _metrics(items: Sequence[dict[str, Any]]) -> list[Json]:
    """Evidently's values without its random ids."""
    return [
        {
            "type": item["config"]["type"].rpartition(":")[2],
            "column": item["config"].get("column"),
            "method": item["config"].get("method"),
            "threshold": item["config"].get("threshold"),
            "value": _json(item["value"]),
        }
        for item in items
    ]


def _json(value: Any) -> Json:
    if isinstance(value, dict):
        return {str(key): _json(part) for key, part in value.items()}
    number = float(value)
    return _rounded(number) if math.isfinite(number) else None


def _reproducible(text: str) -> str:
    """The snapshot with every random id replaced by its rank of appearance, and numbers rounded.

    Evidently adds up shares in the order of a set of strings, which changes with the process: the last bits are noise.
    """
    ranks: dict[str, str] = {}
    named = _UUID.sub(lambda match: ranks.setdefault(match[0], f"00000000-0000-4000-8000-{len(ranks):012x}"), text)
    return json.dumps(json.loads(named, parse_float=lambda digits: _rounded(float(digits))), separators=(",", ":"))


def _rounded(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")


def _gzip(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=9, mtime=0) as file:
        file.write(data)
    return buffer.getvalue()


def _content(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.name.endswith(".gz") else data
    except FileNotFoundError as error:
        raise ArtifactMissing(
            f"{path.name} is not there", where=str(path), next_step="run the monitor again for its moment"
        ) from error
    except (OSError, EOFError) as error:
        raise _corrupt(path, error) from error


def _corrupt(path: Path, error: Exception) -> ArtifactCorrupt:
    return ArtifactCorrupt(
        f"{path.name} cannot be read: {quoted(str(error))}",
        where=str(path),
        next_step="run the monitor again for its moment",
    )
