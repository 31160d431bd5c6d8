"""Why a component's outputs came out otherwise although what it read is equal, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mlcore.core.types import Execution, Json
from mlcore.runtime.environment import shortened
from mlcore.runtime.fingerprint import MADE_BY, made_by
from mlcore.runtime.rebuilding.recorded import Restored


class Cause(StrEnum):
    """What kind of thing differs; the value says what to do."""

    PARAMETERS = "check out the code and the pipeline's file that it was made with"
    CODE = "check out the code that it was made with"
    LIBRARIES = "install what it was built with"
    PYTHON = "run it with that Python"
    PROCESSOR = "rebuild it on a processor of that kind"
    UNKNOWN = "look for chance in it, such as an estimator without random_state: --keep FOLDER keeps what was rebuilt"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """One difference, in words."""

    cause: Cause
    words: str


def why_unequal(
    name: str, execution: Execution, restored: Restored, elsewhere: Callable[[], tuple[str, ...]]
) -> tuple[Reason, ...]:
    """What is known to be otherwise.

    Args:
        name: The component's node.
        execution: As it was recorded.
        restored: As it ran now.
        elsewhere: What is otherwise in this environment, in words; asked where nothing of the component is.
    """
    found = [Reason(cause=Cause.PARAMETERS, words=words) for words in restored.unlike]
    was = execution.origin.get(MADE_BY)
    if isinstance(was, Mapping):
        now = made_by(restored.component)
        found += [*_own(was, now), *_called(execution.parameters, restored), *_around(was, now)]
    else:
        found.append(Reason(cause=Cause.CODE, words="by which code it was made is not recorded"))
    if not found and (others := elsewhere()):
        words = f"its code and libraries are as they were, but not all that is installed: {shortened(others)}"
        found.append(Reason(cause=Cause.LIBRARIES, words=words))
    if not found:
        words = "nothing known differs, so it does not give equal bytes for equal input"
        found.append(Reason(cause=Cause.UNKNOWN, words=words))
    return tuple(Reason(cause=reason.cause, words=f"{name}: {reason.words}") for reason in found)


def _own(was: Mapping[str, Json], now: Mapping[str, Json]) -> Iterator[Reason]:
    if was.get("code") != now.get("code"):
        yield Reason(cause=Cause.CODE, words="its code changed since")
    yield from _versions(was.get("libraries"), now.get("libraries"))


def _called(recorded: Mapping[str, Json], restored: Restored) -> Iterator[Reason]:
    """What a component's parameters say of code that is not its own: estimators, mappers and metrics."""
    now = restored.component.parameters
    if recorded.get("code") != now.get("code"):
        yield Reason(cause=Cause.CODE, words="code that it calls changed since")
    yield from _versions(recorded.get("libraries"), now.get("libraries"))


def _around(was: Mapping[str, Json], now: Mapping[str, Json]) -> Iterator[Reason]:
    """Of what was made before it was recorded nothing is said."""
    for key, cause, words in (
        ("python", Cause.PYTHON, "it ran on"),
        ("processor", Cause.PROCESSOR, "it ran on another processor:"),
    ):
        then, here = was.get(key), now.get(key)
        if then is not None and then != here:
            yield Reason(cause=cause, words=f"{words} {then}; now {here}")


def _versions(was: Json, now: Json) -> Iterator[Reason]:
    if isinstance(was, dict) and isinstance(now, dict):
        for name in sorted(was.keys() | now.keys()):
            if was.get(name) != now.get(name):
                words = f"{name} was {was.get(name)}, now {now.get(name)}"
                yield Reason(cause=Cause.LIBRARIES, words=words)
