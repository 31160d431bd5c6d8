"""Categories to the label's mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        by_category = analyzer.by_category()
        missing = by_category.get(None, {})
        found = {category: folds for category, folds in by_category.items() if category is not None}
        rows = {category: sum(one.count for one in folds.values()) for category, folds in found.items()}
        kept = sorted(sorted(rows, key=lambda category: (-rows[category], category))[: self.options.top_k])
        every = [*found.values(), missing]
        encodings: list[Json] = [
            self._encodings([found[category] for category in kept], missing, every, without)
            for without in (None, *range(FOLDS))
        ]
        return {"categories": list(kept), "encodings": encodings}

    def _encodings(
        self,
        kept: Sequence[Mapping[int, Moments]],
        missing: Mapping[int, Moments],
        every: Sequence[Mapping[int, Moments]],
        without: int | None,
    ) -> list[Json]:
        total, count = _sum([one for folds in every for one in _but(folds, without)])
        mean = total / count if count else Fraction(0)
        smoothing = Fraction(self.options.smoothing)
        result: list[Json] = []
        for folds in (*kept, missing):
            part, rows = _sum(_but(folds, without))
            weight = rows + smoothing
            result.append(float((part + smoothing * mean) / weight if weight else mean))
        return [*result, float(mean)]

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


def _but(folds: Mapping[int, Moments], without: int | None) -> list[Moments]:
    return [moments for fold, moments in sorted(folds.items()) if fold != without]


def _sum(parts: Sequence[Moments]) -> tuple[Fraction, int]:
    return sum((part.total.fraction() for part in parts), Fraction(0)), sum(part.count for part in parts)
