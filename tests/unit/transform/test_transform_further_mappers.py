"""The mappers that came later, each by example and, where there is one, against scikit-learn's of the same name."""

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder

from mlcore.config.model import Feature
from mlcore.errors import ConfigError
from mlcore.transform.fitting import fit
from mlcore.transform.mappers.scale_to_gaussian import h_parameters, l_moments, tukey_l_moments
from mlcore.transform.specs import specs_from_config
from mlcore.transform.state import analyze

TYPES = {
    "text": pa.string(),
    "word": pa.string(),
    "number": pa.int64(),
    "real": pa.float64(),
    "other": pa.float64(),
    "third": pa.float64(),
    "flag": pa.bool_(),
    "day": pa.date32(),
    "moment": pa.timestamp("us", "UTC"),
    "late": pa.float64(),
}
NAMES = {"text": "string", "word": "string", "number": "int64", "flag": "bool", "day": "date", "moment": "timestamp"}
COLUMNS = {name: NAMES.get(name, "float64") for name in TYPES if name != "late"}
NAN = float("nan")


def make(columns):
    return pa.table({name: pa.array(values, TYPES[name]) for name, values in columns.items()})


def graph_of(training, **feature):
    specs = specs_from_config({"f": Feature.model_validate(feature)}, COLUMNS, label="late", key=("number",))
    return fit(specs, analyze(make(training), specs))


def one(training, rows, **feature):
    """The only column of the feature for some rows, fitted on others."""
    matrix = graph_of(training, **feature).apply(make(rows))
    assert matrix.shape[1] == 1
    return matrix[:, 0].tolist()


def same(found, expected):
    return np.array_equal(found, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("column", "values", "to", "expected"),
    [
        ("text", ["1", " -2.5 ", "+3", "1e3", "x", "", "0x1", None], "float64", [1, -2.5, 3, 1000, NAN, NAN, NAN, NAN]),
        ("text", ["1", "-2.9", "9e99", None], "int64", [1, -2, NAN, NAN]),
        ("text", ["TRUE", "no", "1", "maybe", None], "bool", [1, 0, 1, NAN, NAN]),
        ("real", [1.5, NAN, 0.0, None], "bool", [1, NAN, 0, NAN]),
        ("real", [-1.7, float("inf"), None], "int64", [-1, NAN, NAN]),
        ("moment", [datetime(1970, 1, 1, 0, 1, tzinfo=UTC), None], "float64", [60, NAN]),
    ],
)
def test_cast(column, values, to, expected):
    """Texts, numbers, truths and moments become one another; what cannot is missing, whatever its neighbours are."""
    feature = {"transform": [{"cast": {"to": to}}, "numeric"], "column": column}
    assert same(one({column: values}, {column: values}, **feature), expected)
    for value, wanted in zip(values, expected, strict=True):
        assert same(one({column: [value]}, {column: [value]}, **feature), [wanted])


def test_cast_to_texts_and_days():
    """A number is a category as text, and a moment is a day."""
    rows = {"number": [7, None, 7]}
    assert same(one(rows, rows, transform=[{"cast": {"to": "string"}}, "vocabulary"], column="number"), [0, NAN, 0])
    rows = {"moment": [datetime(2024, 1, 1, 23, 59, tzinfo=UTC), None]}
    chain = [{"cast": {"to": "date"}}, "day_of_week"]
    assert same(one(rows, rows, transform=chain, column="moment"), [0, NAN])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"strategy": "mean"}, 3.0),
        ({"strategy": "median"}, 1.0),
        ({"strategy": "most_frequent"}, 1.0),
        ({"value": -5}, -5.0),
        ({"strategy": "constant", "value": 2.5}, 2.5),
    ],
)
def test_impute(options, expected):
    """What is missing, null or NaN, gets the constant; what is there stays."""
    training = {"real": [1.0, 1.0, 7.0, None, NAN]}
    assert one(training, {"real": [None, NAN, 4.0]}, transform="impute", column="real", **options) == [
        expected,
        expected,
        4.0,
    ]


def test_impute_without_anything_to_learn_from():
    """A column that held nothing in training stays as it is."""
    assert same(one({"real": [None]}, {"real": [None, 2.0]}, transform="impute", column="real"), [NAN, 2.0])


def test_clip_to_quantiles_and_bounds():
    """Given bounds and learnt quantiles cut alike; infinity is cut too."""
    training = {"real": [float(value) for value in range(101)]}
    rows = {"real": [-5.0, 50.0, float("inf"), None]}
    assert same(one(training, rows, transform="clip", column="real", quantiles=[0.1, 0.9]), [10, 50, 90, NAN])
    assert same(one(training, rows, transform="clip", column="real", low=0), [0, 50, float("inf"), NAN])


def test_log1p():
    """Numbers below -1 have no logarithm, unless it is signed."""
    rows = {"real": [0.0, np.e - 1, -2.0, None]}
    assert same(one(rows, rows, transform="log1p", column="real"), [0, 1, NAN, NAN])
    assert one({"real": [1.0]}, {"real": [1 - np.e]}, transform="log1p", column="real", signed=True) == [-1]


def test_scales_by_key():
    """Each key has its own constants; a new or missing key has those of all rows."""
    training = {"text": ["a", "a", "b", "b", None], "real": [0.0, 2.0, 10.0, 30.0, 8.0]}
    rows = {"text": ["a", "b", "new", None], "real": [2.0, 10.0, 10.0, 10.0]}
    assert one(training, rows, transform="scale_to_0_1", column="real", by="text") == [1, 0, 1 / 3, 1 / 3]
    mean, deviation = 10.0, np.std([0.0, 2.0, 10.0, 30.0, 8.0])
    z = one(training, rows, transform="scale_to_z_score", column="real", by="text")
    assert z == pytest.approx([1, -1, (10 - mean) / deviation, (10 - mean) / deviation], rel=1e-14)
    scaled = one(training, rows, transform="scale_by_min_max", column="real", by="text", low=-1, high=1)
    assert scaled == pytest.approx([1, -1, -1 / 3, -1 / 3], rel=1e-14)


def test_buckets():
    """Given boundaries and quantiles; a boundary belongs to the bucket above it."""
    rows = {"real": [-1.0, 0.0, 4.9, 5.0, None]}
    assert same(one(rows, rows, transform="bucketize", column="real", boundaries=[0, 5]), [0, 1, 1, 2, NAN])
    values = np.random.default_rng(1).normal(size=1000)
    found = one({"real": values.tolist()}, {"real": values.tolist()}, transform="bucketize", column="real", buckets=4)
    assert np.bincount(np.array(found, int)).tolist() == [249, 250, 250, 251]
    peer = KBinsDiscretizer(4, encode="ordinal", quantile_method="inverted_cdf").fit_transform(values[:, None])[:, 0]
    assert (np.array(found) == peer).mean() > 0.99


def test_buckets_by_key():
    """The same number is in the upper bucket of one key and in the lower of another."""
    training = {"text": ["a"] * 4 + ["b"] * 4, "real": [1.0, 2.0, 3.0, 4.0, 10.0, 20.0, 30.0, 40.0]}
    rows = {"text": ["a", "b", "new"], "real": [9.0, 9.0, 9.0]}
    assert one(training, rows, transform="bucketize", column="real", by="text", buckets=2) == [1, 0, 1]


def test_one_hot_as_scikit_learn():
    """The columns of scikit-learn's encoder, in order of frequency, one more for all others."""
    values = ["b", "a", "b", "c", "b", "a"]
    graph = graph_of({"text": values}, transform="one_hot", column="text", missing=True)
    assert graph.feature_names == ("f=b", "f=a", "f=c", "f=(other)", "f=(missing)")
    matrix = graph.apply(make({"text": [*values, "new", None]}))
    peer = OneHotEncoder(categories=[["b", "a", "c"]], sparse_output=False).fit_transform(np.array(values)[:, None])
    assert matrix[:6, :3].tolist() == peer.tolist()
    assert matrix[6:].tolist() == [[0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]
    without = graph_of({"text": values}, transform="one_hot", column="text", top_k=1, other=False)
    assert without.apply(make({"text": ["b", "a", None]})).tolist() == [[1], [0], [0]]


def test_one_hot_of_truth_and_numbers():
    """Booleans and integers have readable names."""
    assert graph_of({"flag": [True, True, False]}, transform="one_hot", column="flag", other=False).feature_names == (
        "f=true",
        "f=false",
    )
    assert graph_of({"number": [3, 3, -1]}, transform="one_hot", column="number").feature_names[:2] == ("f=3", "f=-1")


def test_ordinal():
    """Places in the given order; others are missing, or what is asked for."""
    rows = {"text": ["low", "high", "new", None]}
    feature = {"transform": "ordinal", "column": "text", "values": ["low", "mid", "high"]}
    assert same(one(rows, rows, **feature), [0, 2, NAN, NAN])
    assert same(one(rows, rows, **feature, other=-1), [0, 2, -1, NAN])
    assert one({"number": [5]}, {"number": [9, 5]}, transform="ordinal", column="number", values=[5, 9]) == [1, 0]


def test_vocabulary_with_several_codes_for_the_unknown():
    """Unknown values are told apart by their hash, known ones as before; missing ones follow."""
    training, rows = {"text": ["a", "a", "b"]}, {"text": ["a", "b", *(f"new{number}" for number in range(50)), None]}
    found = one(training, rows, transform="vocabulary", column="text", oov_buckets=3, missing="code")
    assert found[:2] == [0, 1]
    assert set(found[2:-1]) == {2, 3, 4}
    assert found[-1] == 5


def test_hash_is_the_same_for_ever():
    """Codes depend on the value alone and are pinned: a model of last year must still understand them."""
    rows = {"text": ["JFK", "LGA", "", "ÅRE", None]}
    assert same(one(rows, rows, transform="hash", column="text", buckets=1000), [71, 156, 535, 346, NAN])
    many = {"text": [str(number) for number in range(5000)]}
    counts = np.bincount(np.array(one(many, many, transform="hash", column="text", buckets=50), int))
    assert len(counts) == 50
    assert counts.min() > 60


def test_crosses_tell_all_pairs_apart():
    """Values with bars and backslashes cannot be taken for others; a missing part is a missing whole."""
    rows = {"text": ["a|", "a", "a\\", "x", None], "word": ["b", "|b", "|b", "y", "z"]}
    graph = graph_of(rows, transform=["cross", "one_hot"], columns=["text", "word"])
    assert sorted(graph.feature_names) == ["f=(other)", "f=a\\\\|\\|b", "f=a\\||b", "f=a|\\|b", "f=x|y"]
    assert graph.apply(make(rows)).sum(axis=1).tolist() == [1, 1, 1, 1, 0]


TEXTS = ["the cat sat on the mat", "The dog, the DOG!", "", None, "cat & dog", "   ", "öl über alles, öl"]


def test_bag_of_words_as_scikit_learn():
    """The counts of scikit-learn's vectorizer, in order of how many rows have the word."""
    graph = graph_of({"text": TEXTS}, transform="bag_of_words", column="text")
    words = [name.removeprefix("f=") for name in graph.feature_names]
    assert words[:3] == ["cat", "dog", "the"]
    peer = CountVectorizer(vocabulary=words, token_pattern=r"\w+").transform([text or "" for text in TEXTS]).toarray()
    assert graph.apply(make({"text": TEXTS})).tolist() == peer.tolist()
    binary = graph_of({"text": TEXTS}, transform="bag_of_words", column="text", binary=True, min_count=2)
    assert binary.apply(make({"text": TEXTS})).tolist() == (peer[:, :3] > 0).astype(float).tolist()


def test_ngrams_as_scikit_learn():
    """Runs of one to three words are those of scikit-learn; words of neighbouring rows do not touch."""
    graph = graph_of({"text": TEXTS}, transform=[{"ngrams": {"most": 3}}, "bag_of_words"], column="text")
    words = [name.removeprefix("f=") for name in graph.feature_names]
    peer = CountVectorizer(ngram_range=(1, 3), token_pattern=r"\w+").fit([text or "" for text in TEXTS])
    assert sorted(words) == sorted(peer.vocabulary_)
    counts = CountVectorizer(vocabulary=words, ngram_range=(1, 3), token_pattern=r"\w+")
    expected = counts.transform([text or "" for text in TEXTS]).toarray()
    assert graph.apply(make({"text": TEXTS})).tolist() == expected.tolist()


def test_tf_idf_as_scikit_learn():
    """The weights of scikit-learn's vectorizer."""
    texts = [text for text in TEXTS if text is not None]
    graph = graph_of({"text": texts}, transform="tf_idf", column="text")
    words = [name.removeprefix("f=") for name in graph.feature_names]
    peer = TfidfVectorizer(vocabulary=words, token_pattern=r"\w+").fit_transform(texts).toarray()
    assert graph.apply(make({"text": texts})) == pytest.approx(peer, abs=1e-12)


def labelled(rows=600, seed=2):
    generator = np.random.default_rng(seed)
    place = generator.integers(0, 4, rows)
    late = (generator.random(rows) < np.array([0.1, 0.3, 0.5, 0.9])[place]).astype(float)
    return {
        "text": [["a", "b", "c", None][code] for code in place],
        "number": list(range(rows)),
        "late": [None if generator.random() < 0.1 else value for value in late],
    }


def test_target_encoding_is_the_smoothed_mean():
    """Rows that are served get the category's mean, drawn towards the overall one; new categories get that."""
    training = labelled()
    known = [(text, late) for text, late in zip(training["text"], training["late"], strict=True) if late is not None]
    overall = np.mean([late for _, late in known])
    graph = graph_of(training, transform="target_encoding", column="text", smoothing=10)
    found = graph.apply(make({"text": ["a", None, "new"]}))[:, 0]
    for value, category in zip(found, ["a", None], strict=False):
        labels = [late for text, late in known if text == category]
        assert value == pytest.approx((sum(labels) + 10 * overall) / (len(labels) + 10), rel=1e-12)
    assert found[2] == pytest.approx(overall, rel=1e-12)
    assert graph.contract == {"text": "string"}
    assert graph.training_contract == {"late": "float64", "number": "int64", "text": "string"}


def test_target_encoding_of_a_training_row_never_saw_its_label():
    """Turning the label of one row over changes no encoding of that row, nor of others of its fold, and all else."""
    training = labelled()
    before = graph_of(training, transform="target_encoding", column="text")
    row = next(index for index, late in enumerate(training["late"]) if late is not None)
    turned = {**training, "late": list(training["late"])}
    turned["late"][row] = 1 - turned["late"][row]
    after = graph_of(turned, transform="target_encoding", column="text")
    same_row = make(training).slice(row, 1)
    assert before.apply_training(same_row).tobytes() == after.apply_training(same_row).tobytes()
    assert before.apply(same_row).tobytes() != after.apply(same_row).tobytes()
    changed = before.apply_training(make(training)) != after.apply_training(make(training))
    assert 0.5 < changed.mean() < 1


def test_target_encoding_needs_its_label_in_training_only():
    """Rows to be served need neither label nor key; training rows without them are refused by name."""
    graph = graph_of(labelled(), transform="target_encoding", column="text")
    assert graph.apply(make({"text": ["a"]})).shape == (1, 1)
    with pytest.raises(Exception, match="lack columns 'late', 'number'"):
        graph.apply_training(make({"text": ["a"]}))


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("year", [2024, NAN]),
        ("quarter", [4, NAN]),
        ("month", [12, NAN]),
        ("week", [1, NAN]),
        ("day", [31, NAN]),
        ("day_of_week", [1, NAN]),
        ("day_of_year", [366, NAN]),
        ("is_weekend", [0, NAN]),
    ],
)
def test_parts_of_days(part, expected):
    """Parts of a date and of a timestamp."""
    for rows in ({"day": [date(2024, 12, 31), None]}, {"moment": [datetime(2024, 12, 31, 5, tzinfo=UTC), None]}):
        assert same(one(rows, rows, transform="date_part", column=next(iter(rows)), part=part), expected)


def test_parts_by_another_clock():
    """A time zone moves hours and days; a date has no hours."""
    rows = {"moment": [datetime(2024, 7, 1, 2, 30, 15, tzinfo=UTC)]}
    for part, expected in (("hour", 22), ("day", 30), ("minute", 30), ("second", 15)):
        found = one(rows, rows, transform="date_part", column="moment", part=part, timezone="America/New_York")
        assert found == [expected]
    assert one(rows, rows, transform="hour_of_day", column="moment", timezone="America/New_York") == [22]
    assert one(
        {"day": [date(2024, 7, 1)]}, {"day": [date(2024, 7, 1)]}, transform="date_part", column="day", part="hour"
    ) == [0]
    with pytest.raises(ConfigError, match="there is no such time zone"):
        graph_of(rows, transform="hour_of_day", column="moment", timezone="Mars/Olympus")


def test_cyclic():
    """Midnight is beside eleven at night; a period later is the same place."""
    rows = {"real": [0.0, 6.0, 24.0, -6.0, None]}
    graph = graph_of(rows, transform="cyclic", column="real", period=24)
    assert graph.feature_names == ("f_sin", "f_cos")
    expected = [[0, 1], [1, 0], [0, 1], [-1, 0], [NAN, NAN]]
    assert np.allclose(graph.apply(make(rows)), expected, atol=1e-15, equal_nan=True)


def test_ratio_and_difference():
    """Of numbers, dates and timestamps; nothing is divided by 0."""
    rows = {"real": [6.0, 1.0, None], "other": [4.0, 0.0, 1.0]}
    assert same(one(rows, rows, transform="ratio", columns=["real", "other"]), [1.5, NAN, NAN])
    assert same(one(rows, rows, transform="difference", columns=["real", "other"]), [2, 1, NAN])
    rows = {"moment": [datetime(2024, 1, 2, 12, tzinfo=UTC)], "day": [date(2024, 1, 1)]}
    assert one(rows, rows, transform="difference", columns=["moment", "day"]) == [1.5]
    assert one(rows, rows, transform="difference", columns=["day", "moment"], unit="hours") == [-36]
    with pytest.raises(ConfigError, match="have no difference"):
        graph_of(rows, transform="difference", columns=["moment", "real"])


def test_gaussian_parameters_are_found_again():
    """The L-moments of a Tukey HH distribution give back its parameters; a normal one has none."""
    for left, right in ((0.0, 0.0), (0.0, 0.3), (0.1, 0.1), (0.2, 0.6)):
        l1, l2, l3, l4 = tukey_l_moments(left, right)
        assert h_parameters(l3 / l2, l4 / l2) == pytest.approx((left, right), abs=1e-6)
        assert h_parameters(-l3 / l2, l4 / l2) == pytest.approx((right, left), abs=1e-6)
        assert (l1 > 0) == (right > left)
    assert tukey_l_moments(0, 0)[1] == pytest.approx(1 / np.sqrt(np.pi), rel=1e-15)


def test_gaussian_of_a_heavy_tail():
    """Values of a known distribution become the normal ones they were made of."""
    normal = np.random.default_rng(4).normal(size=20_000)
    values = 3 + 2 * normal * np.exp(np.where(normal > 0, 0.4, 0.1) * normal**2 / 2)
    graph = graph_of({"real": values.tolist()}, transform="scale_to_gaussian", column="real")
    fitted = graph.features[0].constants[0]
    assert fitted["h_left"] == pytest.approx(0.1, abs=0.03)
    assert fitted["h_right"] == pytest.approx(0.4, abs=0.03)
    found = graph.apply(make({"real": values.tolist()}))[:, 0]
    assert np.abs(found - normal).max() < 0.25
    assert np.quantile(np.abs(found - normal), 0.95) < 0.05


def test_gaussian_of_a_light_tail_and_a_constant():
    """Tails lighter than normal are only scaled; a constant is 0."""
    values = np.linspace(-1, 1, 500)
    found = graph_of({"real": values.tolist()}, transform="scale_to_gaussian", column="real")
    assert found.features[0].constants[0]["h_left"] == 0
    assert np.ptp(np.diff(found.apply(make({"real": values.tolist()}))[:, 0])) < 1e-12
    assert same(one({"real": [5.0] * 9}, {"real": [7.0, None]}, transform="scale_to_gaussian", column="real"), [0, NAN])
    assert l_moments(np.array([1.0, 2.0]), np.array([1, 1])) == (1.5, 0.0, 0.0, 0.0)


def test_pca_as_scikit_learn():
    """The components of scikit-learn's PCA of standardised columns, up to their sign."""
    generator = np.random.default_rng(7)
    base = generator.normal(size=(400, 3)) @ generator.normal(size=(3, 3)) * [1, 10, 100] + [5, 0, -3]
    rows = {"real": base[:, 0].tolist(), "other": base[:, 1].tolist(), "third": base[:, 2].tolist()}
    graph = graph_of(rows, transform="pca", columns=["real", "other", "third"], components=2)
    assert graph.feature_names == ("f_0", "f_1")
    found = graph.apply(make(rows))
    peer = PCA(2, svd_solver="full").fit_transform((base - base.mean(axis=0)) / base.std(axis=0))
    assert np.abs(found) == pytest.approx(np.abs(peer), rel=1e-8, abs=1e-9)
    missing = {"real": [None], "other": [1.0], "third": [1.0]}
    assert np.isnan(graph.apply(make(missing))).all()
