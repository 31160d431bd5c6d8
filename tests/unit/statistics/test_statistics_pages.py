"""JSON documents and HTML pages of statistics: stable, valid, and nothing in them but texts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import pyarrow as pa

from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.document import to_document
from mlcore.statistics.extract import describe
from mlcore.statistics.options import StatisticsOptions
from mlcore.statistics.pages.html import render
from mlcore.statistics.pages.model import FeatureDifference, Page, Side, page_document

HOSTILE = "</script><script>alert(1)</script>{{ script }}\u2028<!--"


def dataset(columns: dict[str, Any], **options: Any) -> DatasetAccumulator:
    return DatasetAccumulator.of(pa.table(columns).to_batches(), StatisticsOptions(**options))


def test_every_feature_has_the_promised_keys_and_numbers() -> None:
    """Counts, moments, quantiles and top values by name; whole numbers stay whole, moments are ISO 8601."""
    found: Any = to_document(
        describe(dataset({"n": [0, 2, 2, None], "s": ["a", "b", "b", ""], "d": pa.array([0, 1, 1, 1], pa.date32())}))
    )
    assert found["rows"] == 4
    promised = {"type", "count", "missing", "mean", "std", "zeros", "min", "max", "median", "quantiles", "distinct"}
    for feature in found["features"].values():
        assert promised | {"top"} <= feature.keys()
    number = found["features"]["n"]
    assert (number["type"], number["count"], number["missing"], number["zeros"]) == ("int64", 3, 1, 1)
    assert (number["min"], number["max"], number["median"], number["distinct"]) == (0, 2, 2, 2)
    assert number["top"] == [[2, 2], [0, 1]]
    assert isinstance(number["min"], int)
    assert found["features"]["s"]["top"][0] == ["b", 2]
    assert found["features"]["s"]["mean"] is None
    assert found["features"]["d"]["max"].startswith("1970-01-02")


def test_json_has_no_nan_and_no_infinity() -> None:
    """They are counted instead, and a column of nothing else has no numbers."""
    values = [float("nan"), float("inf"), -float("inf"), None]
    found: Any = to_document(describe(dataset({"x": values, "e": pa.array([None] * 4, pa.float64())})))
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text) == found
    x = found["features"]["x"]
    assert (x["count"], x["missing"], x["nan"], x["infinite"], x["mean"]) == (3, 1, 1, 2, None)


def test_slices_are_listed_with_their_value() -> None:
    """One entry a value, with all features of its rows."""
    found: Any = to_document(describe(dataset({"k": ["a", "b", "a"], "x": [1.0, 2.0, 3.0]}, slices=("k",))))
    assert [(each["feature"], each["value"], each["rows"]) for each in found["slices"]] == [
        ("k", "a", 2),
        ("k", "b", 1),
    ]
    assert found["slices"][0]["features"]["x"]["mean"] == 2.0


def values_of(page: str) -> str:
    found = re.search(r'<script type="application/json" id="values">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return found[1]


def test_names_and_values_cannot_leave_the_page_s_data() -> None:
    """No character of the data can end its element; what is read back is what was put in."""
    made = Page(title=HOSTILE, sides=(Side(name=HOSTILE, dataset=dataset({HOSTILE: [HOSTILE, "x"]})),))
    page = render(made)
    assert "alert(1)</script>" not in page
    assert not set("<>&\u2028") & set(values_of(page))
    assert json.loads(values_of(page)) == page_document(made)
    assert page.count("<script") == 2


def test_the_page_fetches_nothing_and_its_policy_names_its_own_code() -> None:
    """No address but SVG's name space; the hashes of the policy are those of the style and the script."""
    page = render(Page(title="t", sides=(Side(name="a", dataset=dataset({"x": [1.0]})),)))
    assert set(re.findall(r"https?://[^\s\"'`]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(?:link|img|iframe|object)|\bsrc=|\bfetch\(|@import", page)
    for element in ("style", "script"):
        content = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)[0]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{element}-src &#x27;sha256-{digest}&#x27;" in page


def test_a_thousand_features_make_a_page_of_a_few_megabytes() -> None:
    """Both sides, charts and top values included."""
    columns = {f"feature_{index}": [float(index), 2.5, None, 7.25] * 30 for index in range(1_000)}
    side = Side(name="a", dataset=dataset(columns))
    difference = FeatureDifference(distance=0.1, measure="Jensen-Shannon", value=None, missing=0.0)
    page = render(Page(title="t", sides=(side, side), differences=dict.fromkeys(columns, difference)))
    assert len(page) < 3_000_000


def test_equal_data_gives_equal_pages() -> None:
    """Whatever the batches it came in."""
    table = pa.table({"x": [1.0, 2.0, None, 4.0], "s": ["a", "b", "b", "c"]})
    pages = {
        render(Page(title="t", sides=(Side(name="a", dataset=DatasetAccumulator.of(table.to_batches(size))),)))
        for size in (1, 3, 4)
    }
    assert len(pages) == 1
