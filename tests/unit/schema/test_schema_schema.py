from __future__ import annotations

from pathlib import Path

import pytest

from mlcore.errors import ArtifactCorrupt, ArtifactMissing
from mlcore.schema.infer import infer
from mlcore.schema.schema import (
    FILE_NAME,
    Feature,
    InvalidSchema,
    Range,
    Schema,
    StringDomain,
    read_schema,
    write_schema,
)
from mlcore.schema.summary import DatasetSummary, FeatureSummary, FeatureType

FULL = Schema(
    min_examples=7,
    features=(
        Feature(
            name="carrier",
            type=FeatureType.STRING,
            required=True,
            min_fraction=0.9,
            domain=StringDomain(values=("UA", "AA", "UA"), min_mass=0.99),
        ),
        Feature(
            name="age",
            type=FeatureType.INT,
            min_count=0,
            range=Range(minimum=0, maximum=80, enforced=True),
            allow_nan=True,
            allow_infinite=True,
        ),
    ),
)


def string_feature(values: dict[str, int], *, complete: bool = True) -> FeatureSummary:
    present = sum(values.values())
    return FeatureSummary(
        name="s",
        type=FeatureType.STRING,
        rows=present,
        present=present,
        values=values,
        values_complete=complete,
    )


def inferred(feature: FeatureSummary) -> Feature:
    (only,) = infer(DatasetSummary(name="train", rows=feature.rows, features=(feature,))).features
    return only


def test_a_schema_survives_its_file(tmp_path: Path) -> None:
    """Everything is written and read back; features and values are sorted."""
    write_schema(tmp_path, FULL)
    assert read_schema(tmp_path) == FULL
    assert [feature.name for feature in FULL.features] == ["age", "carrier"]
    assert FULL.features[1].domain == StringDomain(values=("AA", "UA"), min_mass=0.99)


def test_equal_schemas_have_equal_bytes(tmp_path: Path) -> None:
    """The order in which features were given does not change the digest."""
    contents = []
    for features in (FULL.features, tuple(reversed(FULL.features))):
        write_schema(tmp_path, Schema(features=features, min_examples=7))
        contents.append((tmp_path / FILE_NAME).read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"version":2,"features":[]}', b'{"version":1,"min_examples":1,"features":[{"name":"x"}]}']
)
def test_a_file_that_is_no_schema_is_corrupt(tmp_path: Path, content: bytes) -> None:
    """Other JSON is told with the file's place."""
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(ArtifactCorrupt) as caught:
        read_schema(tmp_path)
    assert caught.value.where.endswith(FILE_NAME)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    """A lost schema is told apart from a damaged one."""
    with pytest.raises(ArtifactMissing):
        read_schema(tmp_path)


def test_schemas_that_contradict_themselves_are_refused() -> None:
    """Shares outside 0 to 1, empty ranges, domains of numbers and repeated features cannot be written down."""
    feature = Feature(name="a", type=FeatureType.INT)
    with pytest.raises(InvalidSchema, match="twice"):
        Schema(features=(feature, feature))
    with pytest.raises(InvalidSchema, match="share"):
        Feature(name="a", type=FeatureType.INT, min_fraction=1.5)
    with pytest.raises(InvalidSchema, match="domain"):
        Feature(name="a", type=FeatureType.INT, domain=StringDomain(values=("x",)))
    with pytest.raises(InvalidSchema, match="empty"):
        Range(minimum=2, maximum=1)


def test_few_frequent_values_become_a_domain() -> None:
    """A domain holds the values seen."""
    assert inferred(string_feature({"b": 50, "a": 50})).domain == StringDomain(values=("a", "b"))


def test_identifiers_get_no_domain() -> None:
    """Too many values, values that hardly repeat, and values of which only the frequent ones are known: no domain."""
    assert inferred(string_feature({f"v{i}": 50 for i in range(101)})).domain is None
    assert inferred(string_feature({f"v{i}": 2 for i in range(50)})).domain is None
    assert inferred(string_feature({"a": 50}, complete=False)).domain is None


@pytest.mark.parametrize(("present", "required", "least"), [(100, True, 0.9), (95, False, 0.75), (30, False, 0.0)])
def test_presence_has_room_for_what_the_data_had(present: int, required: bool, least: float) -> None:
    """A feature that was always there is required; missing values may treble and rise by a tenth."""
    feature = inferred(FeatureSummary(name="x", type=FeatureType.FLOAT, rows=100, present=present))
    assert (feature.required, feature.min_count) == (required, 1)
    assert feature.min_fraction == pytest.approx(least, abs=0.0011)


def test_a_feature_that_was_never_there_may_stay_away() -> None:
    """Nothing is demanded of what the training data did not have."""
    feature = inferred(FeatureSummary(name="x", type=FeatureType.FLOAT, rows=100, present=0))
    assert (feature.required, feature.min_fraction, feature.min_count) == (False, 0.0, 0)


def test_ranges_are_kept_and_not_enforced() -> None:
    """An inferred range describes; NaN and infinity are allowed where they were seen."""
    feature = inferred(
        FeatureSummary(name="x", type=FeatureType.FLOAT, rows=9, present=9, nan=1, minimum=-1, maximum=2.5)
    )
    assert feature.range == Range(minimum=-1, maximum=2.5, enforced=False)
    assert (feature.allow_nan, feature.allow_infinite) == (True, False)
