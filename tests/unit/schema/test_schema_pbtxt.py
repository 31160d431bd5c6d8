from __future__ import annotations

import logging
from pathlib import Path

import pytest

from mlcore.errors import DataError
from mlcore.schema.anomalies import AnomalyType, Severity
from mlcore.schema.constraints import (
    FeatureComparator,
    FloatDomain,
    IntDomain,
    InvalidSchema,
    LifecycleStage,
    Presence,
    StringDomain,
    ValueCount,
)
from mlcore.schema.pbtxt import format_pbtxt, parse_pbtxt, read_pbtxt, to_message
from mlcore.schema.schema import Feature, Schema
from mlcore.schema.summary import FeatureType

CONFORMANCE = Path(__file__).parents[4] / "shared" / "conformance"
FILES = sorted(CONFORMANCE.rglob("*.pbtxt"))


def feature(body: str, rest: str = "") -> Feature:
    (only,) = parse_pbtxt(f'feature {{ name: "f" {body} }} {rest}').features
    return only


@pytest.mark.skipif(not FILES, reason="the conformance files are not here")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_tfdvs_own_schemas_come_back_as_they_were(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Read and written, each says the same message, features and domains in order of their names, nothing only kept."""
    from google.protobuf import text_format  # type: ignore[import-untyped]
    from tensorflow_metadata.proto.v0 import schema_pb2  # type: ignore[import-untyped]

    schema = read_pbtxt(path)
    expected = text_format.Parse(path.read_text(encoding="utf-8"), schema_pb2.Schema())
    for kind in ("feature", "string_domain"):
        items = sorted(getattr(expected, kind), key=lambda item: item.name)
        expected.ClearField(kind)
        getattr(expected, kind).extend(items)
    written = to_message(schema)
    for item in (*expected.feature, *written.feature):
        if item.presence == type(item.presence)(min_count=0):
            item.ClearField("presence")  # asks for nothing
    assert written == expected
    assert parse_pbtxt(format_pbtxt(schema)) == schema
    assert not caplog.records


def test_the_fields_of_tfx_are_read_as_what_they_mean() -> None:
    """A shared domain, presence, shape, environments, comparators and dataset constraints."""
    schema = parse_pbtxt("""
        feature {
          name: "payment_type" type: BYTES domain: "kinds"
          presence { min_fraction: 0.9 min_count: 2 }
          shape { dim { size: 1 } }
          distribution_constraints { min_domain_mass: 0.8 }
          drift_comparator { infinity_norm { threshold: 0.1 } }
          skew_comparator { jensen_shannon_divergence { threshold: 0.2 source { type: QUANTILES } } }
          annotation { tag: "cash" comment: "How it was paid." }
          not_in_environment: "SERVING"
          unique_constraints { min: 1 max: 9 }
        }
        feature { name: "old" type: INT deprecated: true value_count { min: 1 } int_domain { min: 1 max: 12 } }
        string_domain { name: "kinds" value: "b" value: "a" }
        default_environment: "TRAINING" default_environment: "SERVING"
        dataset_constraints {
          min_examples_count: 5 num_examples_drift_comparator { min_fraction_threshold: 0.5 }
        }
    """)
    paid, old = schema.feature("payment_type"), schema.feature("old")
    assert paid is not None
    assert old is not None
    assert paid.string_domain == StringDomain(name="kinds", values=("a", "b"), min_domain_mass=0.8)
    assert (paid.presence, paid.shape) == (Presence(min_fraction=0.9, min_count=2), (1,))
    assert paid.drift_comparator == FeatureComparator(infinity_norm=0.1)
    assert (paid.tags, paid.doc) == (("cash",), "How it was paid.")
    assert not schema.in_environment(paid, "SERVING")
    assert (old.lifecycle_stage, old.value_count) == (LifecycleStage.DEPRECATED, ValueCount(min=1))
    assert old.int_domain == IntDomain(min=1, max=12)
    assert schema.dataset_constraints.min_examples_count == 5
    assert schema.extra == ""


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('feature {\n  name: "x"\n  minimum: 3\n}', 3, 'no field named "minimum"'),
        ("feature {\n  type: DOUBLE\n}", 2, "DOUBLE"),
        ("feature {", 1, "this is no schema.pbtxt"),
        ('feature {\n name: "x"\n presence { min_count: "a" } }', 3, "integer"),
    ],
)
def test_an_unknown_field_is_named_with_its_line(text: str, line: int, message: str) -> None:
    """Nothing is skipped in silence."""
    with pytest.raises(InvalidSchema, match=message) as caught:
        parse_pbtxt(text, where="s.pbtxt")
    assert caught.value.where == f"s.pbtxt, line {line}"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("type: STRUCT", "type STRUCT"),
        ("", "type TYPE_UNKNOWN"),
        ('type: BYTES domain: "nowhere"', "'nowhere'"),
        ("type: INT presence { min_fraction: 2 }", "share"),
        ("type: FLOAT int_domain { }", "does not go with"),
        ('type: INT annotation { tag: "mlcore:x" }', "no JSON"),
        ('type: INT annotation { tag: "mlcore:{\\"severity\\":{\\"NO\\":\\"ERROR\\"}}" }', "unknown severity"),
    ],
)
def test_what_no_table_can_meet_is_refused(body: str, message: str) -> None:
    """The feature is named."""
    with pytest.raises(InvalidSchema, match=message):
        feature(body)


def test_what_is_not_understood_is_kept_and_told(caplog: pytest.LogCaptureFixture) -> None:
    """Other domains, embeddings and tensor representations are warned of, and written back."""
    text = """
        feature { name: "photo" type: BYTES image_domain { max_image_byte_size: 9 } }
        feature { name: "vector" type: FLOAT float_domain { min: 0 is_embedding: true embedding_dim: 8 } }
        feature { name: "grid" type: INT shape { dim { size: 2 name: "x" } } }
        feature { name: "shared" type: FLOAT domain: "unit" }
        float_domain { name: "unit" max: 1 is_embedding: true }
        string_domain { name: "unused" value: "a" }
        annotation { tag: "team" comment: "ours" }
        tensor_representation_group { key: "" value { } }
    """
    with caplog.at_level(logging.WARNING):
        schema = parse_pbtxt(text)
    told = "\n".join(record.getMessage() for record in caplog.records)
    for word in ("'photo'", "image_domain", "embedding_dim", "'grid'", "unused", "tensor_representation_group", "ours"):
        assert word in told
    vector = schema.feature("vector")
    assert vector is not None
    assert vector.float_domain == FloatDomain(min=0)
    message = to_message(schema)
    assert message.feature[3].float_domain.embedding_dim == 8
    assert message.feature[3].float_domain.HasField("min")
    assert [domain.name for domain in message.string_domain] == ["unused"]
    assert "" in message.tensor_representation_group
    assert parse_pbtxt(format_pbtxt(schema)) == schema


def test_our_own_travels_in_a_tag() -> None:
    """Owner, severities, warnings and types that TFX has not come back; TFX sees a valid message without them."""
    schema = Schema(
        severity={AnomalyType.SCHEMA_NEW_COLUMN: Severity.ERROR},
        features=(
            Feature(
                name="day",
                type=FeatureType.DATE,
                presence=Presence(min_count=1, warn_fraction=1.0),
                owner="team",
                tags=("a",),
                doc="The day.\nLocal.",
                severity={AnomalyType.UNEXPECTED_DATA_TYPE: Severity.WARNING},
            ),
            Feature(name="flag", type=FeatureType.BOOL),
        ),
    )
    assert parse_pbtxt(format_pbtxt(schema)) == schema
    day = to_message(schema).feature[0]
    assert (day.type, list(day.annotation.comment), day.annotation.tag[0]) == (1, ["The day.", "Local."], "a")


@pytest.mark.parametrize("bound", [0.1, 1 / 3, -1e300, 2.0**24 + 1, 5e-324, -0.1, 1e-40])
def test_bounds_are_exact_although_tfx_rounds_them(bound: float) -> None:
    """TFX sees a 32-bit bound, never a tighter one; what was written as 0.1 stays 0.1."""
    low, high = FloatDomain(min=bound), FloatDomain(max=bound)
    schema = Schema(
        features=tuple(
            Feature(name=name, type=FeatureType.FLOAT, float_domain=domain)
            for name, domain in (("low", low), ("high", high))
        )
    )
    assert parse_pbtxt(format_pbtxt(schema)) == schema
    high_message, low_message = to_message(schema).feature
    if abs(bound) == 0.1:
        assert f"min: {bound}\n" in format_pbtxt(schema)
    else:
        assert not low_message.float_domain.HasField("min") or low_message.float_domain.min <= bound
        assert not high_message.float_domain.HasField("max") or high_message.float_domain.max >= bound


def test_a_domain_without_a_name_may_be_called_like_a_shared_one() -> None:
    """The shared one keeps the name; the other stands inside its feature."""
    shared = StringDomain(name="a", values=("x",))
    schema = Schema(
        features=tuple(
            Feature(name=name, type=FeatureType.STRING, string_domain=domain)
            for name, domain in (("a", StringDomain(values=("y",))), ("b", shared), ("c", shared))
        )
    )
    assert parse_pbtxt(format_pbtxt(schema)) == schema


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """And one that is no text."""
    with pytest.raises(DataError, match="cannot read"):
        read_pbtxt(tmp_path / "none.pbtxt")
    (tmp_path / "bytes.pbtxt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="cannot read"):
        read_pbtxt(tmp_path / "bytes.pbtxt")
