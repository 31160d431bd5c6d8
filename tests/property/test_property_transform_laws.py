"""Laws of every analyzer and every mapper: states merge exactly, rows do not see one another."""

import json
import math
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mlcore.config.model import Feature
from mlcore.core.digests import canonical_json
from mlcore.transform.analyzers import ANALYZERS
from mlcore.transform.analyzers.keyed import KeyedMoments
from mlcore.transform.analyzers.moments import Moments
from mlcore.transform.fitting import fit
from mlcore.transform.graph import TransformGraph
from mlcore.transform.mappers import mappers
from mlcore.transform.specs import specs_from_config
from mlcore.transform.state import analyze, merge_states

COLUMNS = {
    "text": "string",
    "place": "string",
    "real": "float64",
    "other": "float64",
    "number": "int64",
    "flag": "bool",
    "day": "date",
    "moment": "timestamp",
}
FLOATS = st.floats(-1e140, 1e140).filter(lambda x: x == 0 or abs(x) > 1e-100) | st.sampled_from(
    [math.nan, math.inf, -math.inf, -0.0, 0.1, 1.0, 2.0]
)
ROWS = st.lists(
    st.tuples(
        st.none() | st.text(alphabet="ab B_-|\\ö ", max_size=9),
        st.none() | st.sampled_from(["x", "y", "z", "", "|"]),
        st.none() | FLOATS,
        st.none() | FLOATS,
        st.none() | st.integers(-(2**40), 2**40) | st.integers(0, 3),
        st.none() | st.booleans(),
        st.none() | st.dates(),
        st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
        st.none() | st.sampled_from([0.0, 1.0]),
    ),
    min_size=1,
    max_size=25,
)
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""Without shrinking: it takes minutes with so many mappers at once, and a failure is small enough."""
TYPES = [
    pa.string(),
    pa.string(),
    pa.float64(),
    pa.float64(),
    pa.int64(),
    pa.bool_(),
    pa.date32(),
    pa.timestamp("us", "UTC"),
    pa.float64(),
]
NUMBERS = {"column": "real"}
FEATURES = [
    {"transform": "numeric", "column": "flag"},
    {"transform": "log1p", **NUMBERS},
    {"transform": "log1p", "signed": True, "missing": -1, **NUMBERS},
    {"transform": [{"cast": {"to": "float64"}}, "numeric"], "column": "text"},
    {"transform": [{"cast": {"to": "string"}}, "vocabulary"], "column": "number"},
    {"transform": "impute", "indicator": True, **NUMBERS},
    {"transform": ["impute", "clip", "scale_to_z_score"], **NUMBERS},
    {"transform": [{"impute": {"strategy": "median"}}, {"bucketize": {"buckets": 3}}, "one_hot"], **NUMBERS},
    {"transform": [{"impute": {"strategy": "most_frequent"}}, {"vocabulary": {"oov_buckets": 2}}], "column": "text"},
    {"transform": "clip", "quantiles": [0.2, 0.7], **NUMBERS},
    {"transform": "scale_by_min_max", "low": -1, "high": 2, **NUMBERS},
    {"transform": "scale_by_min_max", "by": "place", **NUMBERS},
    {"transform": "scale_to_0_1", "by": "flag", **NUMBERS},
    {"transform": "scale_to_z_score", "by": "place", **NUMBERS},
    {"transform": "scale_to_gaussian", "column": "number"},
    {"transform": "bucketize", "buckets": 4, "by": "place", **NUMBERS},
    {"transform": "bucketize", "boundaries": [0, 1], **NUMBERS},
    {"transform": "vocabulary", "column": "text", "top_k": 3, "missing": "code"},
    {"transform": "one_hot", "column": "place", "missing": True},
    {"transform": "ordinal", "column": "place", "values": ["x", "y"]},
    {"transform": "hash", "column": "text", "buckets": 5},
    {"transform": ["cross", "one_hot"], "columns": ["text", "place", "flag"]},
    {"transform": ["ngrams", "bag_of_words"], "column": "text"},
    {"transform": "bag_of_words", "column": "text", "binary": True},
    {"transform": "tf_idf", "column": "text"},
    {"transform": "target_encoding", "column": "place"},
    {"transform": "date_part", "part": "week", "column": "moment"},
    {"transform": "date_part", "part": "hour", "column": "moment", "timezone": "Asia/Kolkata"},
    {"transform": ["day_of_week", {"cyclic": {"period": 7}}], "column": "day"},
    {"transform": "hour_of_day", "column": "moment"},
    {"transform": "minute_of_day", "column": "number"},
    {"transform": "years_since", "column": "day", "at": "moment"},
    {"transform": "ratio", "columns": ["real", "other"]},
    {"transform": "difference", "columns": ["moment", "day"], "unit": "hours"},
    {"transform": "pca", "columns": ["real", "other", "number"], "components": 2},
]


def specs_of(features):
    named = {f"f{place}": Feature.model_validate(feature) for place, feature in enumerate(features)}
    return specs_from_config(named, COLUMNS, label="late", key=("text", "number", "moment"))


SPECS = specs_of(FEATURES)


def make_table(rows):
    columns = list(zip(*rows, strict=True))
    arrays = [pa.array(values, type_) for values, type_ in zip(columns, TYPES, strict=True)]
    return pa.table(arrays, names=[*COLUMNS, "late"])


def test_every_mapper_and_analyzer_is_under_these_laws():
    """A new mapper or analyzer that is not in the features here fails: they hold for all but a project's own code."""
    assert {step.mapper for spec in SPECS for step in spec.steps} == set(mappers()) - {"python"}
    state = analyze(make_table([(None,) * len(TYPES)]), SPECS)
    assert {kind for kind, _ in state.analyzers} == set(ANALYZERS)


@given(ROWS, st.data())
@settings(deadline=None, max_examples=20, phases=PHASES)
def test_merged_states_are_the_state_of_all_rows(rows, data):
    """However rows are ordered and cut into spans, and whatever is merged first, the state has the same bytes."""
    whole = analyze(make_table(rows), SPECS).to_bytes()
    order = data.draw(st.permutations(rows))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    parts = [order[start:end] for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    states = [analyze(make_table(part) if part else make_table(rows).slice(0, 0), SPECS) for part in parts]
    assert merge_states(states).to_bytes() == whole
    first, *rest = states[::-1]
    for state in rest:
        first = merge_states([state, first])
    assert first.to_bytes() == whole


@given(ROWS, ROWS, st.integers(1, 9))
@settings(deadline=None, max_examples=20, phases=PHASES)
def test_rows_do_not_see_one_another(training, rows, size):
    """Rows one by one, in batches of any size, or all at once have the same bytes; of training rows too."""
    graph = fit(SPECS, analyze(make_table(training), SPECS))
    again = TransformGraph.from_json(graph.to_json())
    assert again.digest == graph.digest
    table = make_table(rows)
    whole = graph.apply(table)
    assert whole.shape == (len(rows), len(graph.feature_names))
    for step in (1, size):
        parts = [again.apply(table.slice(start, step)) for start in range(0, len(rows), step)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()
    parts = [again.apply_training(table.slice(start, size)) for start in range(0, len(rows), size)]
    assert np.concatenate(parts).tobytes() == graph.apply_training(table).tobytes()


@pytest.mark.parametrize("place", range(len(FEATURES)))
def test_rows_do_not_see_one_another_in_large_batches(place):
    """One row has the bytes it has among 70,000, where loops are unrolled and blocks of rows end."""
    generator = np.random.default_rng(place)
    size = 70_001
    pool = [None, "a b", "b a ö", "|", "x", "a a a b", ""]
    rows = pa.table(
        {
            "text": pa.array([pool[code] for code in generator.integers(0, len(pool), size)], pa.string()),
            "place": pa.array([["x", "y", None][code] for code in generator.integers(0, 3, size)], pa.string()),
            "real": pa.array(generator.lognormal(3, 4, size), mask=generator.random(size) < 0.1),
            "other": pa.array(generator.normal(size=size)),
            "number": pa.array(generator.integers(-5, 2400, size)),
            "flag": pa.array(generator.random(size) < 0.5),
            "day": pa.array(generator.integers(0, 20_000, size).astype(np.int32)).cast(pa.date32()),
            "moment": pa.array(generator.integers(0, 2**50, size)).cast(pa.timestamp("us", "UTC")),
            "late": pa.array((generator.random(size) < 0.4).astype(float)),
        }
    )
    specs = specs_of([FEATURES[place]])
    graph = fit(specs, analyze(rows, specs))
    whole = graph.apply(rows)
    for start, length in ((0, 1), (12_345, 1), (69_999, 2), (40_000, 17), (32_760, 20)):
        assert graph.apply(rows.slice(start, length)).tobytes() == whole[start : start + length].tobytes()


def test_spilled_quantiles_merge_exactly():
    """Beyond the number of values that are kept exactly, states still do not depend on partitions."""
    generator = np.random.default_rng(9)
    values = generator.normal(size=60_000)
    values[::100] = np.nan
    kind = ANALYZERS["quantiles"]
    whole = canonical_json(kind.of(values).to_json())
    for cuts in ([20_000, 40_000], [100], [59_990]):
        parts = [kind.of(part) for part in np.split(values, cuts)]
        restored = [kind.from_json(json.loads(canonical_json(part.to_json()))) for part in parts]
        assert canonical_json(kind.merge(restored[::-1]).to_json()) == whole
        assert kind.merge(restored).at([0.1, 0.5]) == kind.of(values).at([0.1, 0.5])
    assert abs(kind.of(values).at([0.5])[0] - np.nanmedian(values)) < 1e-3


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), FLOATS | st.floats(-1e-300, 1e-300)), max_size=40))
@settings(deadline=None, max_examples=60)
def test_moments_of_a_key_are_those_of_its_rows(rows):
    """Sums by key, made at once for all keys, are the exact sums of each key's rows, down to subnormal numbers."""
    keys, values = pa.array([key for key, _ in rows], pa.string()), np.array([value for _, value in rows], float)
    for key, found in KeyedMoments.of(values, keys).moments():
        alone = Moments.of(np.array([value for name, value in rows if name == key], float))
        assert found.count == alone.count
        assert found.total.fraction() == alone.total.fraction()
        assert found.squared.fraction() == alone.squared.fraction()
