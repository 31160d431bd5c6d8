"""How numbers are distributed: counts of values, of bins where there are too many."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from mlcore.accumulators.distinct import HyperLogLog
from mlcore.accumulators.value_counts import Spilled, ValueCounts, summed
from mlcore.core.types import Json
from mlcore.transform.analyzers.base import CountedAnalyzer, finite, integers_of_text, integers_to_text
from mlcore.transform.values import Column, Floats, Integers, to_floats


@dataclass(frozen=True, slots=True, eq=False)
class Quantiles(CountedAnalyzer):
    """Counts of the finite values (:class:`ValueCounts`), and of those that are none.

    Exact for up to 32,768 different values; beyond, values share 8,192 bins at least a half of which are in use, and
    a quantile is at most a bin from the true one. Minimum and maximum are always exact.

    Attributes:
        found: The finite values.
        others: How often NaN or null, minus infinity and infinity occur.
    """

    name = "quantiles"
    counted = True

    found: ValueCounts
    others: tuple[int, int, int] = (0, 0, 0)

    @classmethod
    def of(cls, *columns: Column) -> Quantiles:
        return cls.of_counted(columns[0], np.ones(len(columns[0]), np.int64))

    @classmethod
    def of_counted(cls, column: Column, counts: Integers) -> Quantiles:
        floats = to_floats(column)
        tests = (np.isnan(floats), floats == -np.inf, floats == np.inf)
        others = tuple(int(counts[test].sum()) for test in tests)
        values, some = finite(floats, counts)
        numbers, totals = summed(values, counts if some is None else some)
        return cls(ValueCounts.of_numbers(numbers, totals, refined=False), (others[0], others[1], others[2]))

    @classmethod
    def merge(cls, parts: Sequence[Quantiles]) -> Quantiles:
        some = [part.found for part in parts if len(part.found.values)] or [parts[0].found]
        others = np.array([part.others for part in parts]).sum(axis=0).tolist()
        return cls(ValueCounts.merge(some, refined=False), (others[0], others[1], others[2]))

    @property
    def count(self) -> int:
        """Finite values."""
        return int(self.found.counts.sum())

    def at(self, shares: Sequence[float]) -> list[float]:
        """The numbers at or below which these shares of the finite values lie; nothing where there is none."""
        return self.found.quantiles(shares)

    def middles(self) -> Floats:
        """The different values, or the middles of the bins."""
        numbers: Floats = self.found.values.to_numpy(zero_copy_only=False).astype(np.float64)
        spilled = self.found.spilled
        if spilled is None or not spilled.bits:
            return numbers
        half = np.int64(1 << (spilled.bits - 1))
        return np.clip((numbers.view(np.int64) + half).view(np.float64), spilled.lowest, spilled.highest)

    def values(self) -> tuple[Column, Integers]:
        odd = np.array([np.nan, -np.inf, np.inf])
        others = np.array(self.others, np.int64)
        some = others > 0
        return np.concatenate([self.middles(), odd[some]]), np.concatenate([self.found.counts, others[some]])

    def to_json(self) -> Json:
        spilled = self.found.spilled
        state: dict[str, Json] = {
            "values": _text(self.found.values.to_numpy(zero_copy_only=False).astype("<f8").tobytes()),
            "counts": integers_to_text(self.found.counts),
            "others": list(self.others),
        }
        if spilled is not None:
            state["spilled"] = {
                "seen": _text(spilled.seen.to_bytes()),
                "bits": spilled.bits,
                "lowest": spilled.lowest,
                "highest": spilled.highest,
            }
        return state

    @classmethod
    def from_json(cls, state: Any) -> Quantiles:
        values = np.frombuffer(base64.b64decode(state["values"]), "<f8").astype(np.float64)
        counts = integers_of_text(state["counts"])
        spilled = None
        if "spilled" in state:
            known = dict(state["spilled"])
            spilled = Spilled(seen=HyperLogLog.from_bytes(base64.b64decode(known.pop("seen"))), **known)
        unknown, low, high = state["others"]
        return cls(ValueCounts(pa.array(values), counts, spilled), (unknown, low, high))


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
