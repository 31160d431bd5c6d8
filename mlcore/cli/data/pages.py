"""The pages that ``mlcore data stats`` and ``compare`` write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mlcore.cli.data.output import text_of
from mlcore.cli.output import printable

if TYPE_CHECKING:
    from mlcore.cli.data.datasets import Dataset
    from mlcore.components.differences import Difference
    from mlcore.statistics.pages.model import FeatureDifference, Side

_SLICES = 30
_CHARTS = 3_000
"""A page has no more charts of slices: each takes half a kilobyte, and some milliseconds to make."""


def statistics_page(dataset: Dataset, by: str | None) -> str:
    """One dataset, and beside it those values of ``by`` that most rows have."""
    from mlcore.components.differences import differences
    from mlcore.statistics.pages.html import render
    from mlcore.statistics.pages.model import Page, Side, Slice

    whole = dataset.statistics
    found = [(key, part) for key, part in whole.slices.items() if key.column == by]
    most = max(1, min(_SLICES, _CHARTS // max(len(whole.columns), 1)))
    largest = sorted(found, key=lambda item: -item[1].rows)[:most]
    return render(
        Page(
            title=f"Statistics of {dataset.name}",
            sides=(_side(dataset),),
            slices=tuple(
                Slice(
                    side=Side(name=f"{by} = {'(missing)' if key.value is None else text_of(key.value)}", dataset=part),
                    differences=_of(differences(whole, part)),
                )
                for key, part in largest
            ),
        )
    )


def comparison_page(sides: tuple[Dataset, Dataset], found: Mapping[str, Difference], order: Iterable[str]) -> str:
    """Two datasets side by side.

    Args:
        sides: The datasets.
        found: How far each feature's sides are apart.
        order: The features, as they stand in the data.
    """
    from mlcore.statistics.pages.html import render
    from mlcore.statistics.pages.model import Page

    return render(
        Page(
            title=f"{sides[0].name} and {sides[1].name}",
            sides=(_side(sides[0]), _side(sides[1])),
            differences=_of({name: found[name] for name in order}),
        )
    )


def _side(dataset: Dataset) -> Side:
    from mlcore.statistics.pages.model import Side

    return Side(name=printable(dataset.name, 200), dataset=dataset.statistics, bad_rows=dataset.bad_rows)


def _of(found: Mapping[str, Difference]) -> dict[str, FeatureDifference]:
    from mlcore.statistics.pages.model import FeatureDifference

    return {
        name: FeatureDifference(
            distance=each.distance, measure=each.measure.value, value=each.value, missing=each.missing
        )
        for name, each in found.items()
    }
