"""Spans to a served model: one Beam job, a merged state, a graph, a fit, a folder, a fresh process."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlcore.config.model import Feature
from mlcore.deployment.infra import Limits, Subject, validate_infra
from mlcore.deployment.requests import build_requests, hard_requests
from mlcore.errors import DataError
from mlcore.training.model import ModelMetadata, load_model, save_model
from mlcore.training.predict import predict_scores
from mlcore.training.train import train
from mlcore.transform.fitting import fit
from mlcore.transform.spans import analyze_spans
from mlcore.transform.specs import specs_from_config
from mlcore.transform.state import analyze, read_states
from mlcore.transform.transformer import GraphTransformer

SPECS = specs_from_config(
    {
        "carrier": Feature(transform="vocabulary", missing="code"),
        "distance": Feature(transform="scale_to_z_score", missing=0),
        "hour": Feature(transform="hour_of_day", column="moment", missing=-1),
    },
    {"carrier": "string", "distance": "float64", "moment": "timestamp"},
)
START = datetime(2013, 1, 1, tzinfo=UTC)


def make_day(day, rows=150):
    generator = np.random.default_rng(day)
    carrier = generator.integers(0, 4, rows)
    distance = generator.normal(500 + 10 * day, 100, rows)
    late = carrier + distance / 200 + generator.normal(size=rows) > 4
    mask = generator.random(rows) < 0.05
    return pa.table(
        {
            "carrier": pa.array(np.array(["AA", "B6", "UA", None], dtype=object)[carrier], pa.string()),
            "distance": pa.array(distance, mask=mask),
            "moment": pa.array([START + timedelta(days=day, minutes=9 * row) for row in range(rows)]).cast(
                pa.timestamp("us", "UTC")
            ),
            "late": pa.array(late.astype(np.int8), mask=generator.random(rows) < 0.1),
        }
    )


@pytest.fixture
def spans(tmp_path):
    """Five days of examples, and an output folder for each."""
    files, folders = [], []
    for day in range(5):
        folder = tmp_path / "examples" / str(day)
        folder.mkdir(parents=True)
        pq.write_table(make_day(day), folder / "data.parquet", row_group_size=40)
        files.append(folder / "data.parquet")
        folders.append(tmp_path / "states" / str(day))
        folders[-1].mkdir(parents=True)
    return files, folders


def test_one_job_writes_a_state_a_span(spans):
    """The states of a job over all spans are those of each span alone, and merge to that of all rows."""
    files, folders = spans
    analyze_spans(files, folders, SPECS)
    for day, folder in enumerate(folders):
        assert [path.name for path in folder.iterdir()] == ["analyzers.bin"]
        assert (folder / "analyzers.bin").read_bytes() == analyze(make_day(day), SPECS).to_bytes()
    everything = pa.concat_tables([make_day(day) for day in range(5)])
    assert read_states(folders).to_bytes() == analyze(everything, SPECS).to_bytes()


def test_span_of_another_shape_is_told(spans):
    """A span whose column has another type is an error of the data, from inside of the job."""
    files, folders = spans
    pq.write_table(make_day(0).set_column(1, "distance", pa.array(["far"] * 150)), files[0])
    with pytest.raises(DataError, match="'distance' must be of type double"):
        analyze_spans(files, folders, SPECS)


def test_features_that_learn_nothing_need_no_job(spans):
    """Where no feature has an analyzer a state says how many rows there are, and nothing else."""
    files, folders = spans
    specs = tuple(spec for spec in SPECS if spec.name == "hour")
    analyze_spans(files, folders, specs)
    state = read_states(folders)
    assert state.rows == 750
    assert fit(specs, state).apply(make_day(0)).shape == (150, 1)


@pytest.mark.parametrize(
    ("estimator", "params"),
    [
        ("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 5}),
        ("sklearn.linear_model.LogisticRegression", {}),
    ],
)
def test_model_answers_in_a_fresh_process_as_where_it_was_trained(spans, tmp_path, estimator, params):
    """The pushed folder, loaded elsewhere, gives the answers of training to rows as they come and to the edges."""
    files, folders = spans
    analyze_spans(files, folders, SPECS)
    graph = fit(SPECS, read_states(folders))
    table = pa.concat_tables([pq.read_table(file) for file in files])
    trained = train(table, GraphTransformer.of(graph), label="late", estimator=estimator, params=params)
    folder = tmp_path / "model"
    folder.mkdir()
    metadata = ModelMetadata(
        feature_names=graph.feature_names,
        label="late",
        classes=trained.classes,
        estimator=estimator,
        params=params,
        rows=trained.rows,
        unlabelled=trained.unlabelled,
        train_start="2013-01-01T00:00:00Z",
        train_end="2013-01-06T00:00:00Z",
    )
    save_model(folder, trained.pipeline, graph.to_json(), metadata)
    requests = build_requests(table, without=("late",))
    requests = pa.concat_tables([requests, hard_requests(requests.schema)])
    expected = predict_scores(load_model(folder), requests)
    assert expected.tobytes() == predict_scores(trained.pipeline, requests).tobytes()
    limits = Limits(latency_p99_seconds=5, memory_bytes=2**31)
    verdict = validate_infra(Subject(folder=folder), requests, lambda rows: expected, limits)
    assert verdict.blessed, verdict.reasons
