"""What MLflow loads a model with. A copy of this file lies in the ``code`` folder of every model, beside an archive of
what it needs of mlcore: neither mlcore nor its stores have to be where the model is served.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


class MlcoreModel:
    """A model as MLflow asks it: for each row what ``mlcore.training.predict.predict_scores`` says, bit for bit.

    That is a regressor's prediction, or the probability of 1 where the classes are 0 and 1, or the probability of each
    other class.
    """

    def __init__(self, folder: Path) -> None:
        from mlcore.training.model import load_model

        self._pipeline = load_model(folder)

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """The scores of a pandas DataFrame's rows; moments are in UTC, with or without their time zone."""
        from mlcore.training.predict import predict_scores
        from mlcore.transform.transformer import to_arrow

        return predict_scores(self._pipeline, to_arrow(model_input, self._pipeline[0].graph.contract))


def _load_pyfunc(path: str) -> MlcoreModel:
    """MLflow's entry: ``path`` is the folder ``model`` of one that holds ``code``, too."""
    folder = Path(path)
    make_importable(folder.parent / "code")
    return MlcoreModel(folder)


def make_importable(code: Path) -> None:
    """See that mlcore can be imported: an installed one of the same version, or else the one in ``code``."""
    archives = sorted(code.glob("mlcore-*.zip"))
    if "mlcore" in sys.modules or not archives:
        return
    try:
        installed = version("mlcore")
    except PackageNotFoundError:
        installed = ""
    if archives[0].stem.removeprefix("mlcore-") != installed:
        sys.path.insert(0, str(archives[0]))
