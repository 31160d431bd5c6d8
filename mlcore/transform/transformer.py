"""The TransformGraph as a scikit-learn transformer: the first step of every exported model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.base import BaseEstimator, TransformerMixin

from mlcore.errors import DataError, quoted
from mlcore.transform.contract import ARROW_TYPES
from mlcore.transform.graph import TransformGraph, parsed_graph

if TYPE_CHECKING:
    import pandas as pd


class GraphTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Runs a fitted graph; ``fit`` learns nothing more.

    Its only state is the graph's JSON, so that a clone and a saved model are the graph, and nothing else is.

    Args:
        graph_json: :meth:`TransformGraph.to_json` as text.
    """

    def __init__(self, graph_json: str) -> None:
        self.graph_json = graph_json

    @classmethod
    def of(cls, graph: TransformGraph) -> GraphTransformer:
        return cls(graph.to_json().decode())

    @property
    def graph(self) -> TransformGraph:
        return parsed_graph(self.graph_json)

    @property
    def categorical_mask(self) -> tuple[bool, ...]:
        return self.graph.categorical_mask

    def fit(self, X: Any, y: Any = None) -> GraphTransformer:  # noqa: N803 - scikit-learn's names
        return self

    def transform(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """A float64 matrix of a pandas DataFrame, a pyarrow Table or a RecordBatch.

        Raises:
            DataError: A column is missing or of another type, or ``X`` is something else.
        """
        return self.graph.apply(to_arrow(X, self.graph.contract))

    def transform_training(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """:meth:`transform` for the rows the graph was fitted on, with their label and key.

        What learnt from the label, such as ``target_encoding``, leaves out what it learnt from the row itself.

        Raises:
            DataError: As :meth:`transform`.
        """
        return self.graph.apply_training(to_arrow(X, self.graph.training_contract))

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        return np.array(self.graph.feature_names, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True


def to_arrow(rows: Any, contract: dict[str, str]) -> pa.Table | pa.RecordBatch:
    """A pandas DataFrame's columns of a contract, in Arrow's types; what is in Arrow already, as it is.

    Raises:
        DataError: It is something else, or a column cannot be read as the type it must be of.
    """
    if isinstance(rows, (pa.Table, pa.RecordBatch)):
        return rows
    if not hasattr(rows, "columns") or not hasattr(rows, "index"):
        raise DataError(
            f"cannot transform a {quoted(type(rows).__name__)}",
            next_step="give a pandas DataFrame, a pyarrow Table or a pyarrow RecordBatch",
        )
    # Columns that are missing or there twice are told by the graph, in the same words for every kind of table.
    wanted = [(index, name) for index, name in enumerate(rows.columns) if name in contract]
    arrays = [_array(rows.iloc[:, index], name, contract[name]) for index, name in wanted]
    if not arrays:
        return pa.table({"": pa.nulls(len(rows))})
    return pa.Table.from_arrays(arrays, names=[name for _, name in wanted])


def _array(series: pd.Series, name: str, type_name: str) -> pa.Array:
    """DataFrames have no integers with holes by default, and dates as objects: the contract says what was meant."""
    wanted = ARROW_TYPES[type_name]
    if type_name == "string" and series.dtype.kind not in "OTU" and series.notna().any():
        return pa.Array.from_pandas(series)
    try:
        return pa.Array.from_pandas(series, type=wanted)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        raise DataError(
            f"column {quoted(name)} cannot be read as {wanted}: {quoted(str(error))}",
            where=f"column {name}, pandas type {series.dtype}",
            next_step=f"convert the column to {wanted}",
        ) from error
