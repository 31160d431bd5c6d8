"""One span, from its file to its Examples and back."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from mlcore.config.data import Data
from mlcore.core.window import Span
from mlcore.ingest.examples import read_examples
from mlcore.ingest.spans import SpanJob, ingest_span


def read_span(data: Data, path: Path, span: Span) -> pa.Table:
    """The rows of a file as the span's Examples have them."""
    with TemporaryDirectory() as folder:
        ingest_span(SpanJob(span=span, path=path, folder=Path(folder)), data)
        return read_examples([Path(folder)])
