"""How many rows of a span are no examples, by reason, beside the statistics of those that are.

statistics/
└── quarantine.json    {"ragged": 2}; only where there are bad rows
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlcore.core.digests import canonical_json
from mlcore.errors import ArtifactCorrupt, quoted

FILE_NAME = "quarantine.json"


def write_bad_rows(folder: Path, counts: Mapping[str, int]) -> None:
    """Write the counts; no file where there are none."""
    if counts:
        (folder / FILE_NAME).write_bytes(canonical_json(dict(counts)))


def read_bad_rows(folder: Path) -> dict[str, int]:
    """The counts of one Statistics artifact, by reason.

    Raises:
        ArtifactCorrupt: The file is not what was written.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_bytes())
        return {str(reason): int(count) for reason, count in found.items()}
    except (ValueError, AttributeError, TypeError, OSError) as error:
        raise ArtifactCorrupt(
            f"the counts of bad rows cannot be read: {quoted(str(error))}",
            where=str(path),
            next_step="delete the folder and run again",
        ) from error


def merge_bad_rows(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """All parts together: the most frequent reason first, equals by name.

    >>> merge_bad_rows([{"ragged": 1}, {"unparsable": 1, "ragged": 1}])
    {'ragged': 2, 'unparsable': 1}
    """
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))
