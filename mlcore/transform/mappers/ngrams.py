"""Texts to words and runs of words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field, model_validator

from mlcore.transform.mappers.base import Column, Mapper, Options
from mlcore.transform.tokens import as_tokens, ngrams


class NgramsOptions(Options):
    """How long runs are."""

    fewest: int = Field(default=1, ge=1, le=5, description="Words of the shortest run")
    most: int = Field(default=2, ge=1, le=5, description="Words of the longest run")
    lower: bool = Field(default=True, description="Whether words are in lower case")

    @model_validator(mode="after")
    def _ordered(self) -> NgramsOptions:
        if self.fewest > self.most:
            raise ValueError("fewest is more than most")
        return self


class Ngrams(Mapper[NgramsOptions]):
    """Runs of words that follow each other, joined by a blank; words are runs of letters, digits and underscores."""

    name = "ngrams"
    types = ("string", "tokens")
    options_model = NgramsOptions
    formula = "runs of fewest to most words"

    def gives(self, kinds: Sequence[str]) -> str:
        del kinds
        return "tokens"

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        del prepared
        tokens = as_tokens(columns[0], lower=self.options.lower)
        return ngrams(tokens, self.options.fewest, self.options.most)
