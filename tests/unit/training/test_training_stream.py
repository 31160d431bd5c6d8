"""Rows that do not fit in memory: block by block, with all weights and classes, the same bytes for any files."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import SGDClassifier

from mlcore.config.model import Feature
from mlcore.errors import ConfigError, DataError, ModelError
from mlcore.training.calibrate import Calibrating
from mlcore.training.canonical import canonical_dumps
from mlcore.training.memory import BLOCK_ROWS, Size, in_units, needs_streaming
from mlcore.training.predict import predict_scores
from mlcore.training.stream import blocks, fit_streaming, scan
from mlcore.training.train import train, train_streaming
from mlcore.training.weights import RowWeights
from mlcore.transform.fitting import fit
from mlcore.transform.specs import specs_from_config
from mlcore.transform.state import analyze
from mlcore.transform.transformer import GraphTransformer

END = datetime(2024, 2, 1, tzinfo=UTC)
ROWS = 2 * BLOCK_ROWS + 501
TYPES = {"a": "float64", "b": "string", "k": "int64", "y": "int64"}
SPECS = specs_from_config(
    {"a": Feature(transform="scale_to_z_score"), "b": Feature(transform="one_hot")}, {"a": "float64", "b": "string"}
)
COLUMNS = ("a", "b", "w", "at")
SGD = {"estimator": "sklearn.linear_model.SGDClassifier", "params": {"loss": "log_loss"}}


def make_table(rows=ROWS, missing=0):
    generator = np.random.default_rng(1)
    a, b = generator.normal(3, 2, rows), generator.choice(["x", "y", "z"], rows)
    y = (a - 3 + 2 * (b == "x") + generator.normal(size=rows) > 0).astype(np.int64)
    at = pa.array([END - timedelta(seconds=rows - index) for index in range(rows)], pa.timestamp("us", "UTC"))
    label = pa.array(y, mask=np.arange(rows) < missing)
    return pa.table({"a": a, "b": b, "y": label, "w": generator.random(rows), "at": at})


TABLE = make_table(missing=100)


def source_of(table, batch_rows=1000):
    def source(columns):
        return iter(table.select(list(columns)).combine_chunks().to_batches(max_chunksize=batch_rows))

    return source


def transformer_of(table, specs=SPECS):
    return GraphTransformer.of(fit(specs, analyze(table.combine_chunks().to_batches()[0], specs)))


TRANSFORMER = transformer_of(TABLE)


class Unweighed(SGDClassifier):
    """Takes no weights."""

    def partial_fit(self, features, labels, classes=None):
        return super().partial_fit(features, labels, classes)


def streamed(source=None, **changes):
    asked = {"columns": COLUMNS, "label": "y", **SGD, **changes}
    return train_streaming(source or source_of(TABLE), TRANSFORMER, **asked)


def test_files_leave_no_trace_in_the_model():
    """Batches of any number of rows give the same bytes; another number of passes gives others."""
    models = [canonical_dumps(streamed(source_of(TABLE, rows), epochs=2).pipeline) for rows in (77, 5000, ROWS)]
    assert len(set(models)) == 1
    assert canonical_dumps(streamed(epochs=1).pipeline) != models[0]


def test_streaming_is_partial_fit_on_blocks_of_labelled_rows():
    """The model is that of partial_fit on each 8,192 labelled rows, in their order, with all classes known."""
    trained = streamed()
    assert (trained.rows, trained.unlabelled, trained.classes, trained.blocks_of) == (ROWS - 100, 100, (0, 1), 8192)
    kept = TABLE.slice(100)
    expected = SGDClassifier(loss="log_loss", random_state=0)
    for start in range(0, kept.num_rows, BLOCK_ROWS):
        part = kept.slice(start, BLOCK_ROWS)
        expected.partial_fit(TRANSFORMER.transform_training(part), part["y"].to_numpy(), classes=[0, 1])
    assert np.array_equal(trained.pipeline[-1].coef_, expected.coef_)
    held_out = make_table(3000)
    right = (predict_scores(trained.pipeline, held_out) > 0.5) == held_out["y"].to_numpy()
    assert right.mean() > 0.8


def test_a_class_that_comes_late_is_known_from_the_first_block():
    """Classes are counted before anything is fitted on."""
    late = np.where(np.arange(ROWS) < BLOCK_ROWS, "no", np.where(np.arange(ROWS) < ROWS - 200, "yes", "perhaps"))
    table = TABLE.set_column(2, "y", pa.array(late))
    trained = streamed(source_of(table))
    assert trained.classes == ("no", "perhaps", "yes")
    assert predict_scores(trained.pipeline, table.slice(0, 5)).shape == (5, 3)


def test_weights_are_those_of_all_rows_together():
    """Balanced classes, half-lives and a column weigh each row of a block as they weigh it among all rows."""
    weights = RowWeights(column="w", half_life=timedelta(hours=1), timestamp="at", end=END, classes="balanced")
    kept = TABLE.slice(100)
    together = weights.of(kept, kept["y"].to_numpy())
    scanned = scan(source_of(TABLE), label="y", weights=weights, classes=True)
    assert scanned.rows == kept.num_rows
    of_blocks = [
        weights.of_some(block, block["y"].to_numpy(), scanned.classes)
        for block in blocks(source_of(TABLE)(["y", "w", "at"]), "y")
    ]
    assert np.concatenate(of_blocks).tobytes() == together.tobytes()
    assert canonical_dumps(streamed(weights=weights).pipeline) != canonical_dumps(streamed().pipeline)


def test_weights_that_are_none_are_refused_before_anything_is_fitted():
    """A weight of a late row that is missing, weights of 0 alone, and rows without a label."""
    with pytest.raises(DataError, match="have no weight"):
        streamed(source_of(TABLE.set_column(3, "w", pa.nulls(ROWS, pa.float64()))), weights=RowWeights(column="w"))
    with pytest.raises(DataError, match="weight 0"):
        streamed(source_of(TABLE.set_column(3, "w", pa.array(np.zeros(ROWS)))), weights=RowWeights(column="w"))
    with pytest.raises(DataError, match="no row of the training window has a label 'y'"):
        streamed(source_of(TABLE.slice(0, 100)))
    with pytest.raises(DataError, match="all 50 training rows have the label y = 1"):
        streamed(source_of(TABLE.slice(0, 50).set_column(2, "y", pa.array([1] * 50))))


def test_what_cannot_be_streamed_says_so():
    """An estimator whose partial_fit takes no weights, and rows held back, are errors that name the key."""
    with pytest.raises(ModelError, match="Unweighed cannot weigh rows block by block"):
        fit_streaming(
            Unweighed(),
            source_of(TABLE),
            TRANSFORMER.transform,
            columns=COLUMNS,
            label="y",
            weights=RowWeights(column="w"),
            scanned=scan(source_of(TABLE), label="y", weights=None, classes=True),
        )
    with pytest.raises(ModelError, match=r"model\.calibration holds rows back"):
        streamed(holding=Calibrating(method="sigmoid", share=0.2, timestamp="at"))


def test_out_of_fold_encoding_is_the_same_in_blocks():
    """What target_encoding gives a training row does not depend on the block that it comes in."""
    specs = specs_from_config({"b": Feature(transform="target_encoding")}, TYPES, label="y", key=("k",))
    kept = TABLE.slice(100).append_column("k", pa.array(np.arange(ROWS - 100)))
    transformer = transformer_of(kept, specs)
    together = transformer.transform_training(kept)
    parts = [transformer.transform_training(block) for block in blocks(source_of(kept, 999)(kept.column_names), "y")]
    assert np.concatenate(parts).tobytes() == together.tobytes()
    assert together.tobytes() != transformer.transform(kept).tobytes()


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("sklearn.linear_model.SGDRegressor", "a"),
        ("sklearn.neural_network.MLPRegressor", "a"),
        ("sklearn.neural_network.MLPClassifier", "y"),
        ("sklearn.naive_bayes.GaussianNB", "y"),
    ],
)
def test_estimators_that_stream_repeat_bit_for_bit(path, label):
    """Regressors, networks and Bayes: two streamed fits are equal bytes."""
    params = {"hidden_layer_sizes": [4]} if "MLP" in path else {}
    asked = {"estimator": path, "params": params, "label": label}
    assert canonical_dumps(streamed(**asked).pipeline) == canonical_dumps(streamed(**asked).pipeline)


def test_memory_decides():
    """Without a limit, or below it, rows are fitted on at once; above it they are streamed, or that cannot be."""
    size = Size(rows=1_000_000, group_rows=50_000, row_bytes=100, features=20)
    assert size.bytes == 1_000_000 * (2 * 100 + 2 * 8 * 20 + 16)
    assert not needs_streaming(size, None, SGDClassifier)
    assert not needs_streaming(size, size.bytes, SGDClassifier)
    assert needs_streaming(size, size.bytes - 1, SGDClassifier)
    with pytest.raises(
        ModelError, match=r"1,000,000 rows by 20 features need about 511.2 MiB .* allows 256.0 MiB"
    ) as e:
        needs_streaming(size, 2**28, HistGradientBoostingClassifier)
    assert "it has no partial_fit" in str(e.value)
    assert "SGDClassifier" in e.value.next_step
    with pytest.raises(ConfigError, match="a block of 8,192 rows by 20 features needs about"):
        needs_streaming(size, 1000, SGDClassifier)
    assert size.block_bytes == 8192 * (2 * 100 + 2 * 8 * 20 + 16) + 6 * 50_000 * 100
    assert in_units(5) == "5 B"


def test_at_once_and_streamed_agree():
    """Both ways give models of the same kind that judge rows alike."""
    at_once = train(TABLE, TRANSFORMER, label="y", **SGD)
    one, other = predict_scores(at_once.pipeline, TABLE), predict_scores(streamed(epochs=5).pipeline, TABLE)
    assert at_once.blocks_of == 0
    assert np.corrcoef(one, other)[0, 1] > 0.98
