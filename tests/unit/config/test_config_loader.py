from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mlcore.config.loader import find_pipeline, load_pipeline
from mlcore.errors import ConfigError

PROJECT = Path(__file__).parents[3]
EXAMPLE = PROJECT / "config" / "pipelines" / "flight_delays.yaml"


def changed(folder: Path, old: str, new: str) -> Path:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert old in text
    path = folder / "flight_delays.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_the_shipped_pipeline_is_valid() -> None:
    """The example every user starts from loads."""
    config = load_pipeline(EXAMPLE)
    assert config.window.train == timedelta(days=60)
    assert config.push.infra.max_memory == 2 * 2**30


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("window: {", "widow: {", "unknown key 'widow'.*did you mean 'window'"),
        ("threshold: 0.55", "treshold: 0.55", r"validation_criteria\.0.*unknown key 'treshold'"),
        ("train: P60D", "train: soon", r"window\.train: .*given: 'soon'"),
        ("train: P60D", "train: P0D", r"window\.train: .*longer than zero"),
        (
            "train: P60D",
            "train: 60",
            r"window\.train: not a length of time; write ISO 8601.*given: 60",
        ),
        ("delay: P1D", "delay: 1 day", r"label\.delay: not a length of time"),
        ("train: P60D", "train: PT30H", r"window\.train: .*whole number of data\.span"),
        ("max_memory: 2GiB", "max_memory: lots", r"max_memory: not a size"),
        ("type: csv", "type: xlsx", r"data\.source\.type: .*'csv'"),
        ("type: csv", "delimiter: x", r"data\.source\.type: "),
        ("type: csv", "type: csv\n    delimiter: ''", r"data\.source\.delimiter: "),
        (
            "event_timestamp: time_hour",
            "event_timestamp: when",
            "event_timestamp: column 'when' is not in data.columns",
        ),
        ("column: sched_dep_time", "column: arr_delay", "is the label's: a model must not see it"),
        ("random_state: 7}", "random_state: 7}\n  intervals: {}", r"model\.intervals: the label is a class"),
        (
            "random_state: 7}",
            "random_state: 7}\n  intervals: {}\n  calibration: {}",
            "calibration is of a classifier, intervals are of a regressor",
        ),
        ("random_state: 7}", "random_state: 7}\n  max_memory: much", r"model\.max_memory: not a size"),
        ("[[], [origin], [carrier]]", "[[airport]]", "slices: column 'airport'"),
        ("slices: [[origin]]", "slices: [[airport]]", "statistics.slices: column 'airport' is not in data.columns"),
        (
            "slices: [[origin]]",
            "slices: [[origin, dest]]",
            r"statistics\.slices: .*one column a list: \[origin\], \[dest\]",
        ),
        ("slices: [[origin]]", "weight: seats", "statistics.weight: column 'seats' is not in data.columns"),
        ("slices: [[origin]]", "weight: origin", "statistics.weight: column 'origin' is of type string"),
        ('schedule: "0 6 * * MON"', "schedule: weekly", "schedule: not a cron expression"),
        ("span: P1D", "span: P1D\n  span: P2D", "key 'span' is there twice"),
        ("name: flight_delays", "name: other", "does not match the file name"),
        ("window: {train: P60D, eval: P7D}", "", "window: Field required"),
    ],
)
def test_a_wrong_key_is_named_with_what_is_allowed(tmp_path: Path, old: str, new: str, said: str) -> None:
    """Every mistake in the file is an error that names the key."""
    with pytest.raises(ConfigError, match=said):
        load_pipeline(changed(tmp_path, old, new))


def test_a_file_that_is_no_yaml_or_no_text_is_named(tmp_path: Path) -> None:
    """Broken files are reported with their path, not with a parser's traceback."""
    path = tmp_path / "broken.yaml"
    path.write_text("name: [", encoding="utf-8")
    with pytest.raises(ConfigError, match="not valid YAML") as error:
        load_pipeline(path)
    assert error.value.where == str(path)
    path.write_bytes(b"name: \xff\xfe")
    with pytest.raises(ConfigError, match="cannot read"):
        load_pipeline(path)
    path.write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="not a valid pipeline"):
        load_pipeline(path)


def test_an_unknown_pipeline_lists_the_known_ones() -> None:
    """The message says which names would have worked."""
    with pytest.raises(ConfigError, match="no pipeline 'flights'") as error:
        find_pipeline(EXAMPLE.parent, "flights")
    assert "flight_delays" in error.value.next_step


def test_a_huge_value_is_not_quoted_whole(tmp_path: Path) -> None:
    """Input from outside never makes a message unbounded."""
    with pytest.raises(ConfigError) as error:
        load_pipeline(changed(tmp_path, "train: P60D", "train: " + "x" * 10_000))
    assert len(str(error.value)) < 1_000


def test_the_platform_gives_the_engine_that_a_pipeline_leaves_open(tmp_path: Path) -> None:
    """Without a file it is this process; the file's is for all pipelines; a pipeline's own block wins as a whole."""
    folder = tmp_path / "config" / "pipelines"
    folder.mkdir(parents=True)
    path = changed(folder, "name: flight_delays", "name: flight_delays")
    here = load_pipeline(path).beam
    assert here is not None
    assert (here.runner, here.options) == ("FnApiRunner", {})
    platform = folder.parent / "platform.yaml"
    platform.write_text("beam: {runner: FlinkRunner, options: {flink_master: 'jm:8081', parallelism: 4}}")
    shared = load_pipeline(path).beam
    assert shared is not None
    assert (shared.runner, shared.options) == ("FlinkRunner", {"flink_master": "jm:8081", "parallelism": 4})
    own = load_pipeline(changed(folder, "name: flight_delays", "name: flight_delays\nbeam: {runner: SparkRunner}")).beam
    assert own is not None
    assert (own.runner, own.options) == ("SparkRunner", {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "beam: {runner: DirectRunner}",
            r"platform\.yaml is not a valid platform file:\n  beam\.runner: .*'FnApiRunner'",
        ),
        ("beem: {}", "unknown key 'beem'; allowed: beam, retention, tracking, lineage; did you mean 'beam'"),
        ("beam: {options: {parallelism: {a: 1}}}", r"beam\.options\.parallelism"),
    ],
)
def test_a_wrong_platform_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    """Its mistakes are told like a pipeline's, with its own path."""
    folder = tmp_path / "config" / "pipelines"
    folder.mkdir(parents=True)
    path = changed(folder, "name: flight_delays", "name: flight_delays")
    (folder.parent / "platform.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        load_pipeline(path)
    assert caught.value.where == str(folder.parent / "platform.yaml")


MODEL = """model:
  estimator: sklearn.ensemble.HistGradientBoostingClassifier
  params: {max_iter: 100, learning_rate: 0.1, random_state: 7}
"""
TWO = """models:
  boosted: {estimator: sklearn.ensemble.HistGradientBoostingClassifier, params: {random_state: 7}}
  linear: {estimator: sklearn.linear_model.LogisticRegression, features: [distance, weekday]}
selection: {metric: log_loss, held_back: 0.1}
"""


def test_several_models_are_a_mapping_or_a_list_with_names(tmp_path: Path) -> None:
    """Both ways of writing mean the same; each model alone has its estimator and the features it sees."""
    mapping = load_pipeline(changed(tmp_path, MODEL, TWO))
    listed = "models:\n  - {name: boosted, " + TWO.split("boosted: {")[1]
    listed = listed.replace("  linear: {", "  - {name: linear, ")
    assert load_pipeline(changed(tmp_path, MODEL, listed)) == mapping
    assert list(mapping.models) == ["boosted", "linear"]
    assert mapping.selection.held(60) == 6
    linear = mapping.of_candidate("linear")
    assert linear.model.estimator == "sklearn.linear_model.LogisticRegression"
    assert list(linear.features) == ["distance", "weekday"]
    assert mapping.of_candidate("boosted").features == mapping.features
    assert {name: each.model.estimator for name, each in mapping.alternatives.items()} == {
        name: candidate.estimator for name, candidate in mapping.models.items()
    }
    with pytest.raises(ConfigError, match="no model 'forest'"):
        mapping.of_candidate("forest")
    with pytest.raises(ConfigError, match="several models"):
        _ = mapping.model


def test_a_pipeline_is_the_same_after_being_written_and_read() -> None:
    """Keys are written as they are read: also those whose field has another name."""
    config = load_pipeline(EXAMPLE)
    written = config.model_dump(mode="json")
    assert type(config).model_validate(written).model_dump(mode="json") == written


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("", "model: write either model, or models"),
        (MODEL + TWO, "model: write either model, or models"),
        (MODEL + "selection: {held_back: 1}\n", "selection: there is one model"),
        (TWO.replace("boosted:", "dummy:"), "models: the name 'dummy' is the constant prediction's"),
        (TWO.replace("boosted:", "Boosted:"), "models.Boosted"),
        (TWO.replace("weekday", "workday"), r"models\.linear\.features: 'workday' is no feature"),
        (TWO.replace("params:", "param:"), r"models\.boosted: unknown key 'param'.*did you mean 'params'"),
        (TWO.replace("held_back: 0.1", "held_back: 0"), r"selection\.held_back"),
        (TWO.replace("held_back: 0.1", "hold_back: 1"), "unknown key 'hold_back'.*did you mean 'held_back'"),
        ("models:\n  - {estimator: a.B}\n", "models: 0: give each of a list of models a name"),
        ("models:\n  - {name: a, estimator: a.B}\n  - {name: a, estimator: a.C}\n", "the name 'a' is there twice"),
        (TWO.replace("features: [distance, weekday]", "weights: {column: seats}"), r"models\.linear\.weights\.column"),
    ],
)
def test_a_mistake_in_models_is_named(tmp_path: Path, new: str, said: str) -> None:
    """The message says which model and which key."""
    with pytest.raises(ConfigError, match=said):
        load_pipeline(changed(tmp_path, MODEL, new))
