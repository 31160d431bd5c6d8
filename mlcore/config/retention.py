"""``retention``: how long outputs are kept that nothing needs any more."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from mlcore.config.fields import Duration, Section


class Retention(Section):
    """What ``mlcore gc`` may remove: outputs that are old *and* of no recent run *and* needed by nothing.

    Whatever the numbers are, what the champion, the champions that it may be rolled back to, any alias, a pin, a model
    that waits for approval or a running execution needs is never removed.
    """

    max_age: Duration = Field(
        default=timedelta(days=90), description="Outputs that a run made or read since then are kept"
    )
    keep_runs: int = Field(default=10, ge=1, description="Whatever the newest runs made or read is kept")
    keep_champions: int = Field(default=3, ge=1, description="Champions before this one that can be rolled back to")
    keep_ancestors: int = Field(
        default=1,
        ge=0,
        description="Generations of models that versions with a warm start went on from: 1 keeps the model that a"
        " needed version started from, so that it can be rebuilt; 2 also keeps what that one needs, and so on",
    )
