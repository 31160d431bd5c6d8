"""A model from elsewhere, loaded and asked once: what :func:`mlcore.deployment.infra.load_apart` is told to call.

It imports only what a server has.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from mlcore.inference.scorer import Scorer
from mlcore.transform.contract import ARROW_TYPES

LOAD_AND_ASK = f"{__name__}:load_and_ask"


def load_and_ask(folder: Path) -> Scorer:
    """Load the model of a payload folder and ask it a row of which nothing is known.

    Raises:
        MlcoreError: As :meth:`Scorer.load` and :meth:`Scorer.answer`.
    """
    scorer = Scorer.load(folder, version=0)
    scorer.answer(pa.table({name: pa.nulls(1, ARROW_TYPES[kind]) for name, kind in scorer.columns.items()}))
    return scorer
