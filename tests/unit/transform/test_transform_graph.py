"""The graph as a value, as a contract, and as a scikit-learn transformer."""

import json
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from mlcore.config.model import Feature
from mlcore.errors import ArtifactCorrupt, ArtifactMissing, DataError
from mlcore.transform.fitting import fit
from mlcore.transform.graph import TransformGraph, read_graph, write_graph
from mlcore.transform.specs import specs_from_config
from mlcore.transform.state import AnalyzerState, analyze, merge_states, read_states, write_state
from mlcore.transform.transformer import GraphTransformer

SCHEMA = pa.schema(
    [
        ("carrier", pa.string()),
        ("distance", pa.float64()),
        ("year", pa.int64()),
        ("day", pa.date32()),
        ("moment", pa.timestamp("us", "UTC")),
        ("flag", pa.bool_()),
        ("unused", pa.string()),
    ]
)
SPECS = specs_from_config(
    {
        "carrier": Feature(transform="vocabulary"),
        "distance": Feature(transform="scale_to_z_score"),
        "scaled": Feature(transform="scale_to_0_1", column="distance"),
        "age": Feature(transform="years_since", column="year", at="day"),
        "hour": Feature(transform="hour_of_day", column="moment"),
        "flag": Feature(transform="numeric"),
    },
    {
        "carrier": "string",
        "distance": "float64",
        "year": "int64",
        "day": "date",
        "moment": "timestamp",
        "flag": "bool",
        "unused": "string",
    },
)


def make_table(rows=300, seed=0):
    generator = np.random.default_rng(seed)

    def holes(values):
        return [None if generator.random() < 0.1 else value for value in values]

    return pa.table(
        [
            holes(["AA", "B6", "</script>"][code] for code in generator.integers(0, 3, rows)),
            holes(generator.normal(900, 50, rows).tolist()),
            holes(generator.integers(1970, 2013, rows).tolist()),
            holes([date(2013, 1, 1 + int(day)) for day in generator.integers(0, 28, rows)]),
            holes([datetime(2013, 1, 1, int(hour), tzinfo=UTC) for hour in generator.integers(0, 24, rows)]),
            holes((generator.random(rows) < 0.5).tolist()),
            ["x"] * rows,
        ],
        schema=SCHEMA,
    )


@pytest.fixture(scope="module")
def table():
    return make_table()


@pytest.fixture(scope="module")
def graph(table):
    return fit(SPECS, analyze(table, SPECS))


def test_matrix_is_contiguous_and_complete(graph, table):
    """The result is a C-contiguous float64 matrix with a column a feature, in the file's order."""
    matrix = graph.apply(table)
    assert matrix.shape == (300, 6)
    assert matrix.dtype == np.float64
    assert matrix.flags.c_contiguous
    assert graph.feature_names == ("carrier", "distance", "scaled", "age", "hour", "flag")
    assert graph.categorical_mask == (True, False, False, False, False, False)


def test_one_row_is_as_many(graph, table):
    """Rows one by one, in batches or all at once give the same bytes."""
    whole = graph.apply(table).tobytes()
    assert b"".join(graph.apply(table.slice(index, 1)).tobytes() for index in range(table.num_rows)) == whole
    assert b"".join(graph.apply(batch).tobytes() for batch in table.to_batches(max_chunksize=7)) == whole


def test_contract_holds_what_is_read(graph):
    """Only columns that some feature reads are asked for."""
    assert graph.contract == {
        "carrier": "string",
        "day": "date",
        "distance": "float64",
        "flag": "bool",
        "moment": "timestamp",
        "year": "int64",
    }


def test_json_round_trip(graph, table, tmp_path):
    """A graph that was written and read is equal, has the same digest and gives the same bytes."""
    write_graph(tmp_path, graph)
    read = read_graph(tmp_path)
    assert read == graph
    assert read.digest == graph.digest
    assert read.apply(table).tobytes() == graph.apply(table).tobytes()


def test_damaged_graphs(graph, tmp_path):
    """A missing file and one with something else in it are told apart."""
    with pytest.raises(ArtifactMissing):
        read_graph(tmp_path)
    for text in ("", "{}", '{"format": 9, "features": []}', '{"format": 1, "features": [{}]}'):
        with pytest.raises(ArtifactCorrupt):
            TransformGraph.from_json(text)


def test_states_of_spans_are_the_state_of_all(table):
    """The graph of merged states is the graph of all rows, whatever the spans and their order."""
    parts = [analyze(table.slice(start, 70), SPECS) for start in range(0, 300, 70)]
    whole = analyze(table, SPECS)
    assert merge_states(parts).to_bytes() == whole.to_bytes()
    assert merge_states(parts[::-1]).to_bytes() == whole.to_bytes()
    assert fit(SPECS, merge_states(parts)).digest == fit(SPECS, whole).digest


def test_state_files(table, tmp_path):
    """States are read as they were written, and merged; a missing or damaged one is named."""
    for name, part in (("one", table.slice(0, 100)), ("two", table.slice(100))):
        (tmp_path / name).mkdir()
        write_state(tmp_path / name, analyze(part, SPECS))
    merged = read_states([tmp_path / "one", tmp_path / "two"])
    assert merged.to_bytes() == analyze(table, SPECS).to_bytes()
    assert merged.rows == 300
    with pytest.raises(ArtifactMissing):
        read_states([tmp_path / "three"])
    (tmp_path / "one" / "analyzers.bin").write_bytes(b'{"format": 1}')
    with pytest.raises(ArtifactCorrupt):
        read_states([tmp_path / "one"])


def test_nothing_to_fit_on():
    """No rows, or a state of other features, cannot be fitted."""
    with pytest.raises(DataError, match="no training rows"):
        fit(SPECS, AnalyzerState())
    with pytest.raises(DataError, match="knows nothing of feature carrier"):
        fit(SPECS, AnalyzerState(rows=3))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.drop_columns(["year", "day"]), "lack columns 'day', 'year'"),
        (lambda table: table.set_column(0, "carrier", pa.array([1] * 300)), "'carrier' must be of type string"),
        (lambda table: table.set_column(1, "distance", pa.array(["9"] * 300)), "'distance' must be of type double"),
        (lambda table: table.set_column(2, "year", pa.array([1.5] * 300)), "'year' must be of type int64"),
        (lambda table: table.set_column(4, "moment", pa.array([datetime(2013, 1, 1)] * 300)), "'moment' must be"),
        (lambda table: table.append_column("year", table["year"]), "'year' is there twice"),
    ],
)
def test_wrong_rows_are_named(graph, table, change, words):
    """A column that is missing, of another kind or there twice is an error that names it."""
    with pytest.raises(DataError, match=words):
        graph.apply(change(table))


def test_other_widths_of_the_same_kind_are_read(graph, table):
    """Narrower integers, dictionaries, large strings and columns of nothing are read as what they mean."""
    other = table.set_column(0, "carrier", table["carrier"].dictionary_encode())
    other = other.set_column(2, "year", table["year"].cast(pa.int16()))
    other = other.set_column(4, "moment", table["moment"].cast(pa.timestamp("ns", "America/New_York")))
    assert graph.apply(other).tobytes() == graph.apply(table).tobytes()
    empty = table.set_column(0, "carrier", pa.nulls(300))
    assert np.isnan(graph.apply(empty)[:, 0]).all()


def test_pandas_gives_the_same_bytes(graph, table):
    """A DataFrame, with its floats for integers with holes and objects for dates, gives the same bytes."""
    transformer = GraphTransformer.of(graph)
    whole = graph.apply(table).tobytes()
    assert transformer.transform(table).tobytes() == whole
    assert transformer.transform(table.to_batches()[0]).tobytes() == whole
    assert transformer.transform(table.to_pandas()).tobytes() == whole
    assert transformer.transform(table.to_pandas(types_mapper=pd.ArrowDtype)).tobytes() == whole
    assert transformer.transform(table.to_pandas().astype({"carrier": "category"})).tobytes() == whole


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (pd.DataFrame({"carrier": ["AA"]}), "lack columns"),
        (pd.DataFrame(), "lack columns"),
        (np.zeros((1, 6)), "cannot transform a 'ndarray'"),
    ],
)
def test_wrong_frames_are_named(graph, rows, words):
    """Frames without the columns, and arrays, are refused in words."""
    with pytest.raises(DataError, match=words):
        GraphTransformer.of(graph).transform(rows)


def test_frame_with_numbers_for_text(graph, table):
    """A DataFrame whose text column holds numbers is refused by name."""
    frame = table.to_pandas().assign(carrier=7)
    with pytest.raises(DataError, match="'carrier' must be of type string"):
        GraphTransformer.of(graph).transform(frame)


def test_transformer_is_one_of_scikit_learns(graph, table):
    """It can be cloned, used in a pipeline without being fitted, and names its features."""
    transformer = GraphTransformer.of(graph)
    assert clone(transformer).graph_json == transformer.graph_json
    assert transformer.get_feature_names_out().tolist() == list(graph.feature_names)
    assert make_pipeline(transformer).transform(table).tobytes() == graph.apply(table).tobytes()
    assert transformer.fit(table) is transformer


def test_transformer_is_saved_as_its_graph(graph, table):
    """Skops saves the graph's JSON and nothing else, and what is loaded gives the same bytes."""
    transformer = GraphTransformer.of(graph)
    transformer.transform(table)
    name = "mlcore.transform.transformer.GraphTransformer"
    data = skops.io.dumps(transformer)
    assert skops.io.get_untrusted_types(data=data) == [name]
    loaded = skops.io.loads(data, trusted=[name])
    assert vars(loaded) == {"graph_json": graph.to_json().decode()}
    assert loaded.transform(table).tobytes() == graph.apply(table).tobytes()


def test_constants_are_canonical(graph):
    """The graph's JSON has sorted keys and the constants of each feature."""
    document = json.loads(graph.to_json())
    assert list(document) == sorted(document)
    values = document["features"][0]["steps"][0]["constants"]["values"]
    assert sorted(values) == ["</script>", "AA", "B6"]
    assert [document["features"][index]["name"] for index in (0, 5)] == ["carrier", "flag"]
