"""Categories to the label's mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from mlcore.core.types import Json
from mlcore.transform.analyzers.moments import Moments
from mlcore.transform.analyzers.target_statistics import FOLDS, TargetStatistics, folds_of
from mlcore.transform.mappers.base import Column, Mapper, NumberOptions
from mlcore.transform.values import CATEGORIES, Floats, to_texts


class TargetEncodingOptions(NumberOptions):
    """How much is believed of few rows."""

    smoothing: float = Field(
        default=20.0, ge=0, le=1e9, description="Rows of the overall mean that are added to those of each category"
    )
    top_k: int = Field(default=10_000, ge=1, le=10_000, description="Only the categories of the most labelled rows")


class TargetEncoding(Mapper[TargetEncodingOptions]):
    """The smoothed mean of the label over the training rows of the category; the overall mean for all others.

    A training row never sees its own label: rows are in eight folds by the hash of their key, and a training row gets
    the mean over the other seven. Every other row gets the mean over all training rows. Missing values are a category.
    """

    name = "target_encoding"
    types = CATEGORIES
    options_model = TargetEncodingOptions
    elementwise = False
    learns_label = True
    constants = {
        "categories": "in order; missing values have their own place after them",
        "encodings": "of all training rows, then of all but those of each fold: by category, missing, others",
    }
    formula = "(sum of labels + smoothing * overall mean) / (rows + smoothing)"

    def analyzer(self, kinds: Sequence[str]) -> str | None:
        del kinds
        return "target_statistics"

    def fit(self, analyzer: TargetStatistics) -> dict[str, Json]:
        found = {category: _Labels.of(folds) for category, folds in analyzer.by_category().items()}
        overall = _Labels.summed(list(found.values()))
        missing = found.pop(None, _Labels.summed([]))
        named = {category: labels for category, labels in found.items() if category is not None}
        most = sorted(named, key=lambda category: (-named[category].rows(None), category))[: self.options.top_k]
        kept = sorted(most)
        encodings: list[Json] = []
        for without in (None, *range(FOLDS)):
            mean = overall.mean(without)
            smoothed = [self._smoothed(one, without, mean) for one in (*map(named.__getitem__, kept), missing)]
            encodings.append([*smoothed, float(mean)])
        return {"categories": list(kept), "encodings": encodings}

    def _smoothed(self, labels: _Labels, without: int | None, mean: Fraction) -> float:
        smoothing = Fraction(self.options.smoothing)
        weight = labels.rows(without) + smoothing
        return float((labels.total(without) + smoothing * mean) / weight if weight else mean)

    def prepare(self, constants: Mapping[str, Json], kinds: Sequence[str]) -> Any:
        del kinds
        return pa.array(constants["categories"], pa.string()), np.array(constants["encodings"], np.float64)

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        known, encodings = prepared
        result: Floats = encodings[0][_places(columns[0], known)]
        return result

    def apply_training(self, columns: Sequence[Column], learnt_from: Sequence[Column], prepared: Any) -> Column:
        known, encodings = prepared
        result: Floats = encodings[1 + folds_of(learnt_from[1:]), _places(columns[0], known)]
        return result


def _places(column: Column, known: pa.Array) -> Any:
    """The place of each category; missing ones after the last, others after those."""
    texts = to_texts(column)
    places = pc.fill_null(pc.index_in(texts, value_set=known), len(known) + 1)
    places = pc.if_else(texts.is_valid(), places, pa.scalar(len(known), places.type))
    return places.to_numpy(zero_copy_only=False)


@dataclass(frozen=True, slots=True)
class _Labels:
    """Exact sums of labels and numbers of rows: of all, and of each fold."""

    all: tuple[Fraction, int]
    folds: tuple[tuple[Fraction, int], ...]

    @classmethod
    def of(cls, folds: Mapping[int, Moments]) -> _Labels:
        found = {fold: (moments.total.fraction(), moments.count) for fold, moments in folds.items()}
        return cls._of(tuple(found.get(fold, (Fraction(0), 0)) for fold in range(FOLDS)))

    @classmethod
    def summed(cls, parts: Sequence[_Labels]) -> _Labels:
        return cls._of(tuple(_sum([part.folds[fold] for part in parts]) for fold in range(FOLDS)))

    @classmethod
    def _of(cls, folds: tuple[tuple[Fraction, int], ...]) -> _Labels:
        return cls(_sum(folds), folds)

    def total(self, without: int | None) -> Fraction:
        return self.all[0] if without is None else self.all[0] - self.folds[without][0]

    def rows(self, without: int | None) -> int:
        return self.all[1] if without is None else self.all[1] - self.folds[without][1]

    def mean(self, without: int | None) -> Fraction:
        rows = self.rows(without)
        return self.total(without) / rows if rows else Fraction(0)


def _sum(parts: Sequence[tuple[Fraction, int]]) -> tuple[Fraction, int]:
    return sum((total for total, _ in parts), Fraction(0)), sum(rows for _, rows in parts)
