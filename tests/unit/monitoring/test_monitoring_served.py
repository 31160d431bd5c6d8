"""Labelled rows and what was predicted of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from mlcore.inference.predictions import scores_of
from mlcore.monitoring.decay import Answers
from mlcore.monitoring.served import match

START = datetime(2024, 1, 1, tzinfo=UTC)


def rows(*keys: tuple[str | None, int]) -> pa.Table:
    moments = pa.array([START + timedelta(hours=hour) for _, hour in keys], pa.timestamp("us", tz="UTC"))
    return pa.table({"id": pa.array([name for name, _ in keys], pa.string()), "at": moments})


def test_a_row_is_matched_by_key_and_moment() -> None:
    """One key at another moment is another row, of equal predictions the first counts, and nothing matches nothing."""
    there = rows(("b", 1), ("a", 1), ("a", 1), ("a", 2), (None, 1))
    assert match(rows(("a", 1), ("a", 3), ("b", 1), (None, 1)), there, ["id", "at"]).tolist() == [1, -1, 0, -1]
    assert match(rows(), there, ["id", "at"]).tolist() == []
    assert match(rows(("a", 1)), rows(), ["id", "at"]).tolist() == [-1]


def test_scores_are_read_back_as_the_model_gave_them() -> None:
    """A number, the probability of 1, or one of each class in the model's order."""
    made = pa.table({"prediction": [1, 0], "probability": [0.75, 0.1], "probability_b": [0.3, 0.4]})
    made = made.append_column("probability_a", pa.array([0.7, 0.6]))
    assert scores_of(made, ()).tolist() == [1.0, 0.0]
    assert scores_of(made, (0, 1)).tolist() == [0.75, 0.1]
    assert scores_of(made, ("a", "b")).tolist() == [[0.7, 0.3], [0.6, 0.4]]


def test_where_answers_come_from_is_said() -> None:
    """Only what there is is named; that nothing of what was predicted is left is."""
    assert str(Answers(predicted=3, scored=0, missing=2)) == "rows: 3 as predicted, 2 without a prediction left out"
    assert str(Answers(predicted=0, scored=4, missing=0)) == "rows: 4 scored again"
    assert str(Answers(predicted=0, scored=0, missing=1)) == "rows: 0 as predicted, 1 without a prediction left out"
