"""Predictions of some spans on their way to a destination, and what became of them there.

A destination is a file beside this one with a function ``deliver``, named in ``deliver`` below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from mlcore.config.inference import AS_OF, Destination, ParquetDestination
from mlcore.core.window import Span
from mlcore.errors import DataError, DestinationError
from mlcore.inference.predictions import iter_predictions, schema

_MOMENT = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, kw_only=True, slots=True)
class SpanPredictions:
    """The payload of one span's Predictions."""

    span: Span
    folder: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What is to be where it was asked for.

    Attributes:
        spans: In time order; one at least.
        moment: The column by which rows belong to spans.
        as_of: The moment of the run: what a run of a later one delivered is left alone.
        project: Where relative paths start.
        variables: What ``${NAME}`` stands for.
        where: The key that names the destination.
    """

    spans: Sequence[SpanPredictions]
    moment: str
    as_of: datetime
    project: Path
    variables: Mapping[str, str]
    where: str

    @property
    def schema(self) -> pa.Schema:
        """The columns of the predictions, and the moment of the run."""
        return schema(self.spans[0].folder).remove_metadata().append(pa.field(AS_OF, _MOMENT))

    def rows(self, one: SpanPredictions) -> Iterator[pa.RecordBatch]:
        """A span's rows, never many at once."""
        columns, moment = self.schema, np.datetime64(self.as_of.replace(tzinfo=None), "us")
        for batch in iter_predictions(one.folder):
            moments = pa.array(np.full(batch.num_rows, moment)).cast(_MOMENT)
            yield pa.record_batch([*batch.columns, moments], columns)


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivered:
    """What became of a delivery.

    Attributes:
        place: Where, without a secret.
        rows: How many of this delivery are there now.
        left: Names of the spans of which a run of a later moment delivered before: they stay as they are.
    """

    place: str
    rows: int
    left: tuple[str, ...] = ()


def deliver(destination: Destination, delivery: Delivery) -> Delivered:
    """Put the predictions of each span in the place of those of earlier runs, if none of a later moment are there.

    Done again it leaves the same rows.

    Raises:
        DestinationError: The destination does not answer, has other columns, or cannot be written.
        ConfigError: It cannot be found, or refuses the connection.
    """
    try:
        if isinstance(destination, ParquetDestination):
            from mlcore.inference.destinations import file

            return file.deliver(destination, delivery)
        from mlcore.inference.destinations import postgres

        return postgres.deliver(destination, delivery)
    except DataError as error:  # which would say that trying again is no use
        raise DestinationError(error.what, where=error.where, next_step=error.next_step) from error
