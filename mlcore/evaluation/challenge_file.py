"""What is written of a challenger beside a champion.

challenge/
├── challenge.json      who, up to when, how many rows, what came of it and why
└── ...                 the comparison, as an Evaluation has it; nothing where there was none to compare
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from mlcore.core.digests import canonical_json
from mlcore.core.payloads import read_payload
from mlcore.errors import ArtifactCorrupt, quoted

FILE_NAME = "challenge.json"


class ChallengeOutcome(StrEnum):
    """NONE: nobody challenges, or there is nothing new to look at."""

    NONE = "NONE"
    CONTINUED = "CONTINUED"
    PASSED = "PASSED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """The challenger less the champion in a metric, on all rows, beside what a criterion asks of it.

    Attributes:
        value: The estimate.
        lower, upper: Its interval at the confidence by which the look decides.
        bound: What the whole interval must be above, where ``higher``, or else below.
        higher: Whether more of the metric is better.
    """

    metric: str
    value: float
    lower: float
    upper: float
    confidence: float
    bound: float
    higher: bool

    @property
    def holds(self) -> bool:
        """Whether all of the interval is on the safe side."""
        return self.lower >= self.bound if self.higher else self.upper <= self.bound

    def __str__(self) -> str:
        value, lower, upper = (f"{round(number, 4) + 0.0:+.4f}" for number in (self.value, self.lower, self.upper))
        return f"{value} [{lower}, {upper}]"


@dataclass(frozen=True, kw_only=True, slots=True)
class ChallengeDocument:
    """What ``challenge.json`` holds, and whoever acts on it needs.

    Attributes:
        predicted: Of so many rows both models' stored predictions were compared, of the others what they say now.
        spent: The share of the chance of error that this look and those before it had.
        challenger, champion: Digests of the models.
        move_id, challenger_version, champion_version, look: See the registry's Look.
        until: ISO 8601.
    """

    outcome: ChallengeOutcome
    reasons: tuple[str, ...]
    rows: int = 0
    predicted: int = 0
    spent: float = 0.0
    challenger: str = ""
    champion: str = ""
    move_id: int = 0
    challenger_version: int = 0
    champion_version: int = 0
    look: int = 0
    until: str = ""
    differences: tuple[Difference, ...] = ()


def write_challenge(folder: Path, document: ChallengeDocument) -> None:
    """Write ``challenge.json`` into a folder that exists."""
    content = {
        **asdict(document),
        "outcome": document.outcome.value,
        "reasons": list(document.reasons),
        "differences": [asdict(one) for one in document.differences],
    }
    (folder / FILE_NAME).write_bytes(canonical_json(content))


def read_challenge(folder: Path) -> ChallengeDocument:
    """The document of a folder.

    Raises:
        ArtifactMissing: The file is not there.
        ArtifactCorrupt: It is something else.
    """
    path = folder / FILE_NAME
    data = read_payload(path, "a challenge")
    try:
        found = json.loads(data)
        return ChallengeDocument(
            **{
                **found,
                "outcome": ChallengeOutcome(found["outcome"]),
                "reasons": tuple(found["reasons"]),
                "differences": tuple(Difference(**one) for one in found["differences"]),
            }
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactCorrupt(
            f"a challenge cannot be read: {quoted(str(error))}", where=str(path), next_step="run the monitor again"
        ) from error
