"""Whether the states that features are fitted from are of the training rows, and of no others."""

from __future__ import annotations

from collections.abc import Sequence

from mlcore.components.base import Payload
from mlcore.errors import DataError

LEAK = "EVALUATION_ROWS_IN_ANALYZER"


def check_states(states: Sequence[Payload], examples: Sequence[Payload], *, rows: int, label: str) -> None:
    """Check that every state is of a training span, and that all together are of as many rows.

    Args:
        states: What features are fitted from.
        examples: The training rows.
        rows: How many rows the states saw.
        label: A column of the examples: the one that is read to count them.

    Raises:
        DataError: They are of other spans, or of other rows of these; it is named ``EVALUATION_ROWS_IN_ANALYZER``.
    """
    from mlcore.ingest.examples import iter_batches

    training = {payload.artifact.span for payload in examples}
    strange = [payload.artifact.span for payload in states if payload.artifact.span not in training]
    if strange:
        first = strange[0].label if strange[0] else "one without a span"
        raise _leak(f"analyzers saw {len(strange)} spans that are not trained on, the first of them {first}")
    expected = sum(batch.num_rows for batch in iter_batches([payload.path for payload in examples], [label]))
    if rows != expected:
        raise _leak(f"analyzers saw {rows} rows of the training spans, and {expected} of them are trained on")


def _leak(what: str) -> DataError:
    return DataError(
        f"{LEAK}: {what}",
        where="the states of component Transform",
        next_step="see what the node transform reads: its states must be of the examples the trainer reads",
    )
