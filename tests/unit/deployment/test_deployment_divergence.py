"""Where two models differ: rows and groups, in an order that no order of the rows changes."""

import numpy as np
import pyarrow as pa
import pytest

from mlcore.deployment.divergence import diverge
from mlcore.errors import MlcoreError

ROWS = 200
TABLE = pa.table(
    {
        "id": pa.array(range(ROWS)),
        "colour": pa.array((["red", "green", "blue", None] * ROWS)[:ROWS]),
        "size": pa.array([float(number) if number % 50 else None for number in range(ROWS)]),
        "flat": pa.array([1] * ROWS),
    }
)
FIRST = np.linspace(0.1, 0.9, ROWS)


def compared(second, first=FIRST, table=TABLE):
    return diverge(first, second, table, key=["id"], features=["colour", "size", "flat"])


def test_equal_answers_differ_nowhere():
    """Every row is equal, and no row is shown as differing."""
    found = compared(FIRST.copy())
    assert (found.rows, found.equal, found.mean, found.most) == (ROWS, ROWS, 0.0, 0.0)
    assert found.largest == ()


def test_the_group_that_differs_is_named_first():
    """A model that answers otherwise for one colour: that colour, with its rows and their mean difference."""
    second = FIRST + np.where(np.array(TABLE["colour"].to_pylist()) == "green", 0.05, 0.0)
    found = compared(second)
    group = found.groups[0]
    assert (group.feature, group.value, group.rows) == ("colour", "green", 50)
    assert group.mean == pytest.approx(0.05)
    assert found.mean == pytest.approx(0.0125)
    assert found.equal == 150


def test_ranges_of_a_number_are_told_apart():
    """A difference for large sizes is found in the highest fifth; missing values are a group where there are enough."""
    size = np.array([value or 0.0 for value in TABLE["size"].to_pylist()])
    found = compared(FIRST + np.where(size >= 160, 0.1, 0.0))
    assert found.groups[0].feature == "size"
    assert found.groups[0].value.endswith("to 199")
    assert all(group.value != "missing" for group in found.groups if group.feature == "size")
    assert any(group.value == "missing" for group in found.groups if group.feature == "colour")


def test_the_largest_differences_come_first_ties_by_key():
    """The same rows in another order give the same list."""
    second = FIRST.copy()
    second[[7, 150, 30]] += [0.2, -0.3, 0.2]
    found = compared(second)
    assert [one.row["id"] for one in found.largest] == [150, 30, 7]
    assert found.largest[0].difference == pytest.approx(-0.3)
    assert found.largest[0].row["colour"] == "blue"
    order = np.random.default_rng(1).permutation(ROWS)
    turned = compared(second[order], FIRST[order], TABLE.take(pa.array(order)))
    assert turned.largest == found.largest


def test_several_classes_differ_by_total_variation():
    """From 0, the same distribution, to 1, nothing in common."""
    first = np.tile([0.5, 0.5, 0.0], (ROWS, 1))
    second = first.copy()
    second[3] = [0.0, 0.0, 1.0]
    found = compared(second, first)
    assert found.most == 1.0
    assert found.largest[0].second == (0.0, 0.0, 1.0)
    assert found.equal == ROWS - 1


def test_answers_that_do_not_compare_are_an_error():
    """Other classes, or no rows."""
    with pytest.raises(MlcoreError, match="do not compare"):
        compared(np.zeros((ROWS, 3)))
    with pytest.raises(MlcoreError, match="do not compare"):
        compared(np.zeros(0), np.zeros(0), TABLE.slice(0, 0))
