"""Faults of strings: damaged encodings and categories that were renamed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from mlcore.errors import quoted
from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.history import History
from mlcore.schema.schema import Feature
from mlcore.schema.summary import FeatureSummary, FeatureType
from mlcore.schema.tolerance import share

_QUOTED = 40
_NAMED = 5
_SMALL = 0.01
_FEW = 5
"""Fewer rows with another spelling are somebody's typing."""

_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_SEPARATORS = re.compile(r"(?!^-[\d.,])[\s_\-]+")  # before a number it is a sign
REPLACEMENT = "\ufffd"
_USUAL_LETTERS = (
    ("\u00a0", "\u017f"),  # Latin
    ("\u0370", "\u052f"),  # Greek and Cyrillic
    ("\u2000", "\u20cf"),  # punctuation and currencies
    ("\u3000", "\ud7ff"),  # Chinese, Japanese, Korean
)
"""What text that was decoded by a wrong encoding usually was: a quotation may by chance be UTF-8 of something rare."""


def is_damaged(text: str) -> bool:
    """Whether a text was decoded by the wrong encoding.

    It holds U+FFFD, which stands where a decoder met what it could not read; or UTF-8 that was read as Latin-1 or
    Windows-1252: characters whose bytes there are valid UTF-8, which real text hardly ever has.

    >>> is_damaged("S\\u00c3\\u00a3o Paulo"), is_damaged("S\\u00e3o Paulo"), is_damaged("Z\\ufffdrich")
    (True, False, True)
    """
    if text.isascii():
        return False
    return REPLACEMENT in text or any(_is_mojibake(run) for run in _NOT_ASCII.findall(text))


def _is_mojibake(run: str) -> bool:
    for encoding in ("cp1252", "latin-1"):
        try:
            meant = run.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        return all(any(low <= character <= high for low, high in _USUAL_LETTERS) for character in meant)
    return False


def damaged(observed: FeatureSummary, history: History | None, feature: Feature | None) -> Iterator[Anomaly]:
    """Text with the marks of a wrong decoding, where earlier data had ten times fewer, and the schema has none."""
    if observed.type is not FeatureType.STRING or not observed.present:
        return
    known = set(feature.string_domain.values) if feature is not None and feature.string_domain else set()
    found = {value: count for value, count in observed.values.items() if value not in known and is_damaged(value)}
    if not found:
        return
    fraction = sum(found.values()) / observed.present
    before = _damaged_before(observed.name, history)
    if before * 10 > fraction:
        return
    worst = min(found, key=lambda value: (-found[value], value))
    yield Anomaly(
        type=AnomalyType.DAMAGED_ENCODING,
        severity=Severity.WARNING if fraction <= _SMALL else Severity.ERROR,
        feature=observed.name,
        description=f"{share(fraction)} of the values were decoded by a wrong encoding, "
        f"such as {quoted(worst, _QUOTED)}.",
        observed=fraction,
        expected=before,
    )


def _damaged_before(name: str, history: History | None) -> float:
    reference = history.reference.feature(name) if history else None
    if reference is None or not reference.present:
        return 0.0
    return sum(count for value, count in reference.values.items() if is_damaged(value)) / reference.present


def folded(text: str) -> str:
    """What is left of a category without its case, its spaces and its form of Unicode.

    >>> folded(" Credit_Card ") == folded("CREDIT CARD"), folded("-2,5") == folded("2,5")
    (True, False)
    """
    return _SEPARATORS.sub(" ", unicodedata.normalize("NFKC", text).strip()).strip().casefold()


def renamed(observed: FeatureSummary, history: History | None, feature: Feature | None) -> Iterator[Anomaly]:
    """New categories that are old ones in another case or with other spaces, whether the old ones went away or not."""
    if observed.type is not FeatureType.STRING or not observed.present:
        return
    old = _known(observed.name, history, feature)
    new = [value for value in observed.values if value not in old]
    if not new or not old:
        return
    before = {folded(value): value for value in sorted(old)}
    pairs = {
        value: before[folded(value)]
        for value in sorted(new, key=lambda value: (-observed.values[value], value))
        if folded(value) in before
    }
    rows = sum(observed.values[value] for value in pairs)
    if rows < _FEW:
        return
    fraction = rows / observed.present
    named = list(pairs.items())[:_NAMED]
    shown = ", ".join(f"{quoted(was, _QUOTED)} is now {quoted(now, _QUOTED)}" for now, was in named)
    more = f" and {len(pairs) - _NAMED} more" if len(pairs) > _NAMED else ""
    still = sum(observed.values.get(value, 0) for value in set(pairs.values()))
    yield Anomaly(
        type=AnomalyType.RENAMED_CATEGORY,
        severity=Severity.WARNING if fraction <= _SMALL else Severity.ERROR,
        feature=observed.name,
        description=f"Categories were renamed{' in some rows' if still > rows / 10 else ''}: {shown}{more}.",
        observed=[now[:_QUOTED] for now, _ in named],
        expected=[was[:_QUOTED] for _, was in named],
    )


def _known(name: str, history: History | None, feature: Feature | None) -> frozenset[str]:
    """Categories: of earlier data, otherwise of the schema."""
    reference = history.reference.feature(name) if history else None
    if reference is not None and reference.type is FeatureType.STRING and reference.present:
        return frozenset(reference.values)
    domain = feature.string_domain if feature is not None else None
    return frozenset(domain.values) if domain is not None else frozenset()
