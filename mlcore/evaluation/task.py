"""What a model predicts: which labels and scores an evaluation expects, and which metrics have a meaning."""

from __future__ import annotations

from enum import StrEnum


class Task(StrEnum):
    """The kinds of prediction.

    BINARY: labels 0 and 1, scores are probabilities of 1.
    MULTICLASS: labels are classes, scores are a column of probabilities a class.
    REGRESSION: labels and scores are numbers.
    RANKING: labels are relevances of 0 and more, scores order the rows of each query.
    """

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"
    RANKING = "ranking"
