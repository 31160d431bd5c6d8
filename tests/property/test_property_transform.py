"""Laws of the transform: states are a commutative monoid, and rows do not see one another."""

import math

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcore.config.model import Feature
from mlcore.transform.fitting import fit
from mlcore.transform.graph import TransformGraph
from mlcore.transform.specs import specs_from_config
from mlcore.transform.state import AnalyzerState, analyze, merge_states

COLUMNS = {"text": "string", "real": "float64", "number": "int64", "at": "date"}
SPECS = specs_from_config(
    {
        "code": Feature(transform="vocabulary", column="text", top_k=3),
        "number_code": Feature(transform="vocabulary", column="number", missing="code"),
        "score": Feature(transform="scale_to_z_score", column="real"),
        "unit": Feature(transform="scale_to_0_1", column="real", missing=-1),
        "raw": Feature(transform="numeric", column="real"),
        "minute": Feature(transform="minute_of_day", column="number"),
        "age": Feature(transform="years_since", column="number", at="at"),
    },
    COLUMNS,
)
FLOATS = st.floats(-1e140, 1e140).filter(lambda x: x == 0 or abs(x) > 1e-100) | st.sampled_from(
    [math.nan, math.inf, -math.inf, -0.0]
)
ROWS = st.lists(
    st.tuples(
        st.none() | st.text(max_size=3),
        st.none() | FLOATS,
        st.none() | st.integers(-(2**53), 2**53),
        st.none() | st.dates(),
    ),
    min_size=1,
    max_size=30,
)


def make_table(rows):
    texts, reals, numbers, days = zip(*rows, strict=True)
    return pa.table(
        {
            "text": pa.array(texts, pa.string()),
            "real": pa.array(reals, pa.float64()),
            "number": pa.array(numbers, pa.int64()),
            "at": pa.array(days, pa.date32()),
        }
    )


@given(ROWS, st.data())
@settings(deadline=None, max_examples=60)
def test_merged_states_are_the_state_of_all_rows(rows, data):
    """However rows are ordered and cut into spans, merged states have the bytes of the state of all rows."""
    whole = analyze(make_table(rows), SPECS)
    order = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    parts = [analyze(make_table(part), SPECS) for part in (order[:cut], order[cut:]) if part]
    assert merge_states(parts).to_bytes() == whole.to_bytes()
    assert merge_states([AnalyzerState(), *parts[::-1]]).to_bytes() == whole.to_bytes()
    assert AnalyzerState.from_bytes(whole.to_bytes()).to_bytes() == whole.to_bytes()


@given(ROWS, ROWS)
@settings(deadline=None, max_examples=60)
def test_rows_do_not_see_one_another(training, rows):
    """The matrix of many rows is that of its rows one by one, bit for bit, also after a round trip through JSON."""
    graph = fit(SPECS, analyze(make_table(training), SPECS))
    table = make_table(rows)
    matrix = graph.apply(table)
    again = TransformGraph.from_json(graph.to_json())
    assert b"".join(again.apply(table.slice(index, 1)).tobytes() for index in range(len(rows))) == matrix.tobytes()


@given(ROWS, ROWS)
@settings(deadline=None, max_examples=60)
def test_codes_and_units_stay_in_their_range(training, rows):
    """Codes are small whole numbers or NaN, and the unit scale never leaves 0 to 1."""
    matrix = fit(SPECS, analyze(make_table(training), SPECS)).apply(make_table(rows))
    codes = matrix[:, :2][~np.isnan(matrix[:, :2])]
    assert ((codes >= 0) & (codes < 255) & (codes == np.floor(codes))).all()
    units = matrix[:, 3]
    assert (((units >= 0) & (units <= 1)) | (units == -1)).all()
    assert not np.isnan(matrix[:, 1]).any()
