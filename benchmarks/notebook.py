"""What a check of many pipelines in many surroundings has found so far, and the table of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """What came of one pipeline in one surrounding.

    Attributes:
        equal: Whether all its digests were the recorded ones.
        right: Whether it is as it must be.
        words: What was told where it is not equal.
    """

    equal: bool
    right: bool
    words: str = ""
    seconds: float = 0.0


class Notebook:
    """What is done already, in a file: an interrupted check goes on where it was."""

    def __init__(self, folder: Path, commit: str) -> None:
        self._path = folder / "found.json"
        self._writing = Lock()
        found = json.loads(self._path.read_text(encoding="utf-8")) if self._path.exists() else {}
        self._found: dict[str, Any] = found or {"commit": commit, "digests": {}, "rows": {}, "words": {}}

    @property
    def commit(self) -> str:
        """Which was checked when the check began."""
        return str(self._found["commit"])

    @property
    def digests(self) -> dict[str, str]:
        """By pipeline, of its version."""
        return dict(self._found["digests"])

    def made(self, name: str, digest: str) -> None:
        with self._writing:
            self._found["digests"][name] = digest
            self._write()

    def has(self, title: str, name: str) -> bool:
        """Whether it is done; what was not as it must be is looked at again."""
        return bool(self._found["rows"].get(title, {}).get(name, {}).get("right"))

    def note(self, title: str, words: str, name: str, cell: Cell) -> None:
        with self._writing:
            self._found["words"][title] = words
            self._found["rows"].setdefault(title, {})[name] = asdict(cell)
            self._write()
        said = "equal" if cell.equal else "other" if cell.right else "WRONG"
        print(f"{said:<6} {cell.seconds:5.0f} s  {name:<14} {title}  {cell.words[:300]}", flush=True)

    @property
    def rows(self) -> dict[str, dict[str, Cell]]:
        """By title of a surrounding and pipeline."""
        rows = self._found["rows"]
        return {title: {name: Cell(**cell) for name, cell in row.items()} for title, row in rows.items()}

    def words(self, title: str) -> str:
        return str(self._found["words"][title])

    def _write(self) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(self._found, indent=1), encoding="utf-8")
        fresh.replace(self._path)


def show(notebook: Notebook, names: Sequence[str]) -> bool:
    """The table, what was told where digests differ, and whether all is as it must be."""
    table = Table("surroundings", *names, show_lines=True, title="mlcore models reproduce")
    told: list[str] = []
    rows = notebook.rows
    for title, row in rows.items():
        cells = []
        for name in names:
            cell = row.get(name)
            if cell is None:
                cells.append("not run")
                continue
            if not cell.equal and cell.words not in told:
                told.append(cell.words)
            number = "" if cell.equal else f" [{told.index(cell.words) + 1}]"
            said = "equal" if cell.equal else "other, and told why" if cell.right else "WRONG"
            cells.append(f"{said}{number}, {cell.seconds:.0f} s")
        table.add_row(f"{title}\n{notebook.words(title)}", *cells)
    Console(width=150, markup=False).print(table)
    for number, words in enumerate(told, 1):
        print(f"[{number}] {words}")
    cells_ = [cell for row in rows.values() for name, cell in row.items() if name in names]
    equal, right = (sum(getattr(cell, key) for cell in cells_) for key in ("equal", "right"))
    wanted = len(rows) * len(names)
    print(f"{equal} of {wanted} equal, {len(cells_) - right} not as it must be, {wanted - len(cells_)} not run")
    return right == wanted
