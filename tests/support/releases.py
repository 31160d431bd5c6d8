"""Small releases for push destinations, and processes that end at a given line of the code that writes them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

from mlcore.core.digests import digest_bytes, digest_json
from mlcore.deployment.destinations import base
from mlcore.deployment.destinations.base import Contents, Pointer, Release, release_name

PIPELINE, REGISTRY = "tiny", "0123456789abcdef"
CODE = (str(Path(base.__file__).parent), shutil.__file__)
"""Files whose lines count: the destinations' own, and what copies and removes folders for them."""


def model_files(version: int) -> dict[str, Path | bytes]:
    return {
        "model/model.skops": b"model %d " % version * 50,
        "model/model.json": b"{}",
        "schema/schema.json": b"[%d]" % version,
    }


def model_digest(version: int) -> str:
    files = {name: content for name, content in model_files(version).items() if name.startswith("model/")}
    return digest_json({name.removeprefix("model/"): digest_bytes(bytes(content)) for name, content in files.items()})


def pointer(version: int | None, sequence: int, alias: str = "champion", registry: str = REGISTRY) -> Pointer:
    if version is None:
        return Pointer(pipeline=PIPELINE, alias=alias, sequence=sequence, registry=registry)
    digest = model_digest(version)
    return Pointer(
        pipeline=PIPELINE,
        alias=alias,
        sequence=sequence,
        registry=registry,
        version=version,
        digest=digest,
        release=release_name(version, digest),
    )


def release_of(pointed: Pointer) -> Release:
    assert pointed.version is not None
    contents = Contents(about={"version": pointed.version}, files=model_files(pointed.version))
    return Release(
        name=pointed.release,
        pipeline=pointed.pipeline,
        version=pointed.version,
        digest=pointed.digest,
        open=lambda: nullcontext(contents),
    )


class Killed(BaseException):
    """The process is no more."""


@contextmanager
def at_every_line(do: Callable[[int], None]) -> Iterator[None]:
    """Calls back, with a number that counts, before every line of the destinations' code."""
    count = 0

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(CODE):
            return None
        if event == "line":
            sys.settrace(None)
            try:
                do(count)
            finally:
                count += 1
                sys.settrace(line)
        return line

    before = sys.gettrace()
    sys.settrace(line)
    try:
        yield
    finally:
        sys.settrace(before)


def ending_at(number: int, error: BaseException) -> Callable[[int], None]:
    """For :func:`at_every_line`: raise at that line, and at all after it."""

    def do(count: int) -> None:
        if count >= number:
            raise error

    return do
