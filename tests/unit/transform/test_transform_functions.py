"""Features made by functions of the project's own."""

import sys
from textwrap import dedent

import numpy as np
import pyarrow as pa
import pytest
import yaml
from support.project import PIPELINE

from mlcore.config.model import Feature
from mlcore.config.pipeline import PipelineConfig
from mlcore.errors import ConfigError, MlcoreError, ModelError
from mlcore.transform.fitting import fit
from mlcore.transform.graph import TransformGraph
from mlcore.transform.specs import specs_from_config, specs_of
from mlcore.transform.state import analyze

CODE = """
import numpy as np
import pyarrow.compute as pc
from mlcore.transform.functions import row_function

@row_function
def speed(batch):
    return pc.divide(batch["far"], batch["long"])

@row_function
def kind(batch):
    return pc.if_else(pc.greater(batch.column(0), 100.0), "far", "near")

@row_function
def both(batch):
    return np.stack([batch["far"].to_numpy(zero_copy_only=False), batch["long"].to_numpy(zero_copy_only=False)], 1)

@row_function
def total(batch):
    return pc.sum(batch["far"])

@row_function
def short(batch):
    return batch["far"].slice(1)

def unmarked(batch):
    return batch["far"]
"""
COLUMNS = {"far": "float64", "long": "float64"}
ROWS = pa.table({"far": [100.0, 300.0, None], "long": [50.0, 100.0, 2.0]})


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A package of the project, importable; its name is its own so that no other test sees it."""
    name = f"shop_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(CODE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    sys.modules.pop(name, None)


def fitted(**feature):
    specs = specs_from_config({"f": Feature.model_validate(feature)}, COLUMNS)
    return fit(specs, analyze(ROWS, specs))


def test_a_function_makes_a_number(module):
    """It gets the columns in their order, and what it gives may be learnt from by later steps."""
    graph = fitted(transform="python", function=f"{module}.speed", columns=["far", "long"])
    assert np.array_equal(graph.apply(ROWS)[:, 0], [2, 3, np.nan], equal_nan=True)
    chain = [{"python": {"function": f"{module}.speed"}}, "scale_to_0_1"]
    chained = fitted(transform=chain, columns=["far", "long"])
    assert np.array_equal(chained.apply(ROWS)[:, 0], [0, 1, np.nan], equal_nan=True)
    assert TransformGraph.from_json(chained.to_json()).apply(ROWS).tobytes() == chained.apply(ROWS).tobytes()


def test_a_function_makes_categories_and_several_columns(module):
    """Texts go on to one_hot; a matrix has the names that the file gives it."""
    chain = [{"python": {"function": f"{module}.kind", "gives": "string"}}, {"one_hot": {"other": False}}]
    assert fitted(transform=chain, column="far").feature_names == ("f=far", "f=near")
    both = {"function": f"{module}.both", "outputs": ["a", "b"]}
    graph = fitted(transform="python", columns=["far", "long"], **both)
    assert graph.feature_names == ("f_a", "f_b")
    assert graph.apply(ROWS)[0].tolist() == [100, 50]


def test_other_code_is_refused(module, tmp_path):
    """A model whose function's module changed since it was fitted says so; the pipeline's specs are others too."""
    feature = {"f": Feature(transform="python", function=f"{module}.speed", columns=("far", "long"))}
    before = specs_from_config(feature, COLUMNS)
    text = fit(before, analyze(ROWS, before)).to_json()
    (tmp_path / f"{module}.py").write_text(CODE.replace("pc.divide", "pc.multiply"), encoding="utf-8")
    assert specs_from_config(feature, COLUMNS)[0].steps[0].code != before[0].steps[0].code
    with pytest.raises(ModelError, match="code of feature f is not what it was fitted with"):
        TransformGraph.from_json(text)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("{module}.unmarked", "is no function for features"),
        ("{module}.nothing", r"there is no function '\w+\.nothing'\n"),
        ("{module}.spead", r"there is no function '\w+\.spead'; did you mean \w+\.speed\?"),
        ("no_such_package.f", "cannot be imported"),
        ("os.system", "is no function for features"),
    ],
)
def test_what_is_no_function_is_named(module, function, words):
    """Only functions that their author marked are called, whatever a file names."""
    with pytest.raises(ConfigError, match=words):
        fitted(transform="python", function=function.format(module=module), column="far")


@pytest.mark.parametrize(("name", "words"), [("total", "'DoubleScalar' for 3 rows"), ("short", "2 values for 3 rows")])
def test_what_is_no_value_a_row_is_refused(module, name, words):
    """A sum over all rows, or too few values, is an error that names the function."""
    with pytest.raises(MlcoreError, match=words):
        fitted(transform="python", function=f"{module}.{name}", column="far").apply(ROWS)


def test_a_class_has_no_mean():
    """The mean of a label that is one of several classes is refused where the pipeline is checked."""
    text = dedent(PIPELINE).replace(
        "colour: {transform: vocabulary}", "shade: {transform: target_encoding, column: colour}"
    )
    document = yaml.safe_load(text)
    assert specs_of(PipelineConfig.model_validate(document))[0].columns_learnt_from == (
        ("big", "float64"),
        ("id", "int64"),
    )
    document["data"]["label"] |= {"above": None, "task": "multiclass"}
    with pytest.raises(ConfigError, match="the label is one of several classes"):
        specs_of(PipelineConfig.model_validate(document))
