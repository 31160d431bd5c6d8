"""Laws of schemas: every file form says the same schema, and a changed file says the changed one, comments and all."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlcore.schema.anomalies import AnomalyType, Severity
from mlcore.schema.constraints import (
    BoolDomain,
    DatasetConstraints,
    FeatureComparator,
    FloatDomain,
    HistogramSource,
    IntDomain,
    IntegerTimeFormat,
    LifecycleStage,
    NumericValueComparator,
    Presence,
    StringDomain,
    TimeDomain,
    UniqueConstraints,
    ValueCount,
)
from mlcore.schema.pbtxt import format_pbtxt, parse_pbtxt
from mlcore.schema.schema import DOMAINS, Feature, Schema
from mlcore.schema.summary import FeatureType
from mlcore.schema.yaml_file import format_yaml, parse_yaml, update_yaml

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12) | st.sampled_from(
    ["NO", "1", "null", "~", "- a", "a: b", "#x", "'", '"', " ", "1:30", "2013-01-01", "[", "{", "é", "\u2028", "a\nb"]
)
NAME = TEXT.filter(bool)
SHARE = st.floats(0, 1)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.none() | st.integers(0, 2**40)


def ordered(low: Any, high: Any) -> tuple[Any, Any]:
    return (high, low) if low is not None and high is not None and low > high else (low, high)


@st.composite
def bounded(
    draw: st.DrawFn, kind: Any, numbers: st.SearchStrategy[Any], names: tuple[str, str] = ("min", "max")
) -> Any:
    low, high = ordered(draw(numbers), draw(numbers))
    return kind(**{names[0]: low, names[1]: high})


COMPARATOR = st.builds(
    FeatureComparator,
    infinity_norm=st.none() | SHARE,
    jensen_shannon_divergence=st.none() | SHARE,
    normalized_abs_difference=st.none() | SHARE,
)
DOMAIN: dict[str, st.SearchStrategy[Any]] = {
    "string_domain": st.builds(StringDomain, values=st.lists(TEXT, max_size=20).map(tuple), min_domain_mass=SHARE),
    "int_domain": bounded(IntDomain, st.none() | st.integers(-(2**63), 2**63 - 1)),
    "float_domain": bounded(FloatDomain, st.none() | NUMBER),
    "bool_domain": st.just(BoolDomain()) | st.just(BoolDomain(true_value="J", false_value="N")),
    "time_domain": st.sampled_from(IntegerTimeFormat).map(lambda unit: TimeDomain(integer_format=unit))
    | st.just(TimeDomain(string_format="%Y")),
}
THRESHOLDS = bounded(
    NumericValueComparator, st.none() | st.floats(0, 100), ("min_fraction_threshold", "max_fraction_threshold")
)


@st.composite
def features(draw: st.DrawFn, name: str) -> Feature:
    kind = draw(st.sampled_from(FeatureType))
    allowed: list[str | None] = [None, *(key for key, types in DOMAINS.items() if kind in types)]
    domain = draw(st.sampled_from(allowed))
    valency: dict[str, Any] = draw(
        st.sampled_from(
            [
                {},
                {"shape": (1,)},
                {"shape": (2, 3)},
                {"value_count": ValueCount(min=1)},
                {"value_counts": (ValueCount(),)},
            ]
        )
    )
    comparator = draw(st.none() | COMPARATOR)
    if comparator is not None and comparator.jensen_shannon_divergence is not None:
        comparator = replace(comparator, source=draw(st.none() | st.sampled_from(HistogramSource)))
    return Feature(
        name=name,
        type=kind,
        presence=draw(st.builds(Presence, min_fraction=SHARE, min_count=st.integers(0, 9), warn_fraction=SHARE)),
        unique_constraints=draw(st.none() | bounded(UniqueConstraints, COUNT)),
        drift_comparator=comparator,
        lifecycle_stage=draw(st.none() | st.sampled_from(LifecycleStage)),
        not_in_environment=draw(st.sampled_from([(), ("SERVING",)])),
        severity=draw(st.dictionaries(st.sampled_from(AnomalyType), st.sampled_from(Severity), max_size=2)),
        owner=draw(TEXT),
        doc=draw(TEXT),
        tags=tuple(draw(st.lists(TEXT, max_size=2))),
        **valency,
        **({domain: draw(DOMAIN[domain])} if domain else {}),
    )


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    names = draw(st.lists(NAME, unique=True, max_size=5))
    shared = StringDomain(name="shared", values=("x", "y"))
    found = [draw(features(name)) for name in names]
    if draw(st.booleans()):
        found = [
            replace(one, string_domain=shared) if one.type is FeatureType.STRING and one.string_domain else one
            for one in found
        ]
    constraints = DatasetConstraints(
        min_examples_count=draw(COUNT), num_examples_drift_comparator=draw(st.none() | THRESHOLDS)
    )
    return Schema(
        features=tuple(found),
        dataset_constraints=constraints,
        default_environment=draw(st.sampled_from([(), ("TRAINING", "SERVING")])),
        severity=draw(st.dictionaries(st.sampled_from(AnomalyType), st.sampled_from(Severity), max_size=2)),
    )


@settings(deadline=None, max_examples=40)
@given(schemas())
def test_every_file_form_says_the_same_schema(schema: Schema) -> None:
    """JSON, YAML and text proto are read back as what was written."""
    assert Schema.from_json(schema.to_json()) == schema
    assert parse_yaml(format_yaml(schema, header="x"), where="s") == schema
    assert parse_pbtxt(format_pbtxt(schema)) == schema


ODD_NAMES = tuple(Feature(name=name, type=FeatureType.INT) for name in ("a" * 130, "a\nb", "\u2028"))


@settings(deadline=None, max_examples=40)
@example(
    before=Schema(features=ODD_NAMES),
    after=Schema(features=tuple(replace(feature, type=FeatureType.STRING) for feature in ODD_NAMES)),
    random=Random(1),
)
@given(before=schemas(), after=schemas(), random=st.randoms())
def test_a_changed_file_says_the_changed_schema(before: Schema, after: Schema, random: Any) -> None:
    """Whatever changes, and wherever comments stand; a file that need not change does not."""
    lines = []
    for line in format_yaml(before).splitlines():
        if random.random() < 0.3:
            lines.append(random.choice(["", "# note", "   # deeper"]))
        lines.append(line)
    text = "\n".join(lines) + "\n"
    assert update_yaml(text, before, where="s") == text
    assert parse_yaml(update_yaml(text, after, where="s"), where="s") == after


@settings(deadline=None, max_examples=40)
@given(schemas())
def test_comments_of_what_stays_stay(schema: Schema) -> None:
    """Before, behind and between the keys of features that are not taken away."""
    lines: list[str] = []
    for number, line in enumerate(format_yaml(schema).splitlines()):
        lines += [f"# above {number}", line]
    text = "\n".join(lines) + "\n# end\n"
    more = replace(schema, features=(*schema.features, Feature(name="a new one", type=FeatureType.INT, doc="new")))
    changed = update_yaml(text, more, where="s")
    kept = iter(changed.splitlines())
    gone = "features: {}"
    assert all(line in kept for line in text.splitlines() if line != gone)
