"""``push.rollout``: how a blessed model is tried beside the champion before it takes its place."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from mlcore.config.evaluation import AnyCriterion, ChampionCriterion
from mlcore.config.fields import Duration, Section


class Rollout(Section):
    """A blessed model becomes challenger: it answers beside the champion, and is compared with it at every monitoring.

    Attributes:
        mode: ``shadow``: the champion answers, the challenger is asked the same in the background; ``canary``: the
            challenger answers a share of the requests.
        share: Of the requests that a canary answers.
        timeout: When the champion answers in the place of a canary that has not.
        min_rows: Rows with a label that a comparison needs.
        at_least: So much time of labelled rows is compared before anything is decided.
        at_most: After so much time of labelled rows a challenger that nothing is proven of is refused.
        criteria: What is to be proven; by default those of ``evaluation.validation_criteria`` against the champion.
        newer: Whether a newer blessed model takes a challenger's place, or waits until that one is decided on.
    """

    mode: Literal["shadow", "canary"] = "shadow"
    share: float = Field(default=0.05, gt=0, lt=1)
    timeout: Duration = timedelta(seconds=1)
    min_rows: int = Field(default=1000, ge=1)
    at_least: Duration = timedelta(days=3)
    at_most: Duration = timedelta(days=14)
    criteria: tuple[AnyCriterion, ...] = ()
    newer: Literal["replace", "wait"] = "replace"

    @model_validator(mode="after")
    def _in_order(self) -> Rollout:
        if self.at_least > self.at_most:
            raise ValueError("at_least must not be longer than at_most")
        return self

    def criteria_or(self, of_the_gates: tuple[AnyCriterion, ...]) -> tuple[AnyCriterion, ...]:
        """What a challenger is held to: its own criteria, or those of the gates against the champion."""
        return self.criteria or tuple(one for one in of_the_gates if isinstance(one, ChampionCriterion))
