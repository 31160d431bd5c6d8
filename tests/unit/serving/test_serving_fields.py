"""Rows of JSON as columns, and what is said of rows that are none."""

import json
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from mlcore.errors import RequestRefused
from mlcore.serving.fields import Fields, rows_of

COLUMNS = {
    "name": "string", "count": "int64", "size": "float64", "ok": "bool", "day": "date", "at": "timestamp",
}  # fmt: skip
FIELDS = Fields(read=COLUMNS, known=frozenset({"id"}))
ROW = {"name": "é", "count": 3, "size": 2, "ok": True, "day": "2024-02-29", "at": "2024-01-01T01:00:00+01:00"}


def test_values_of_every_type_become_columns():
    """A whole number may stand for a float and a float for a whole number; moments are in UTC."""
    batch = FIELDS.batch([ROW | {"count": 3.0}, dict.fromkeys(COLUMNS), ROW | {"id": "not read"}])
    assert batch.schema.types == [
        pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.date32(), pa.timestamp("us", "UTC"),
    ]  # fmt: skip
    first = {"name": "é", "count": 3, "size": 2.0, "ok": True, "day": date(2024, 2, 29)}
    assert batch.to_pylist() == [
        first | {"at": datetime(2024, 1, 1, tzinfo=UTC)},
        dict.fromkeys(COLUMNS),
        first | {"at": datetime(2024, 1, 1, tzinfo=UTC)},
    ]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", 3, "is 3, not a string"),
        ("name", "\ud800", "not a string"),
        ("count", True, "is true, not a whole number"),
        ("count", 2**63, "not a whole number of 64 bits"),
        ("count", 0.5, "is 0.5, not a whole number"),
        ("size", "1", "is '1', not a finite number"),
        ("size", 10**400, "not a finite number"),
        ("size", [1], "is a list, not a finite number"),
        ("ok", 1, "not true or false"),
        ("day", "2024-02-30", "not a date"),
        ("at", "2024-01-01T00:00:00", "not a moment with an offset"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(field, value, said):
    """The message names the row, the field, the value and what it should be."""
    with pytest.raises(RequestRefused) as refused:
        FIELDS.batch([ROW, ROW | {field: value}])
    assert f"field '{field}' of row 1 " in refused.value.what
    assert said in refused.value.what
    assert [(problem["row"], problem["field"]) for problem in refused.value.problems] == [(1, field)]


def test_missing_and_unknown_fields_are_all_told():
    """A field that is spelt nearly right is told with the right one; the list is bounded."""
    rows = [{key: value for key, value in ROW.items() if key != "size"} | {"sise": 1}] * 100
    with pytest.raises(RequestRefused, match="and 199 more") as refused:
        FIELDS.batch(rows)
    assert len(refused.value.problems) == 20
    assert {problem["problem"] for problem in refused.value.problems} == {"is missing", "is unknown, size is near"}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b"\xff", b'{"row": 1}', b'{"rows": {}}', b'{"rows": [1]}', b'{"row": {}, "rows": []}',
        b'{"row": {"size": NaN}}', b'{"row": {"size": Infinity}}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_body_that_is_no_request_is_refused(body):
    """Whatever it is, the answer says what to send, and quotes no more than a little of it."""
    with pytest.raises(RequestRefused) as refused:
        rows_of(body)
    assert '{"row": {...}}' in refused.value.next_step
    assert len(str(refused.value)) < 500


def test_one_row_or_many():
    """Both forms give rows."""
    assert rows_of(json.dumps({"row": ROW}).encode()) == [ROW]
    assert rows_of(json.dumps({"rows": [ROW, ROW]}).encode()) == [ROW, ROW]
