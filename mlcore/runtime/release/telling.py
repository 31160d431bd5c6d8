"""People are told once that a push destination is not level with the registry, and once that it is again.

That it is not is a row of the database: of one outage, all runs, retries and commands tell once, on whatever machine.
An alert that could not be delivered is tried again by whoever levels next; killed between the delivery and its record,
one is sent twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from mlcore.alerts.message import Alert
from mlcore.alerts.send import send
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.window import iso
from mlcore.errors import MlcoreError
from mlcore.metadata.lagging import Lag, end_lag, end_others, find_lags, note_lag, note_told
from mlcore.runtime.session import Session

if TYPE_CHECKING:
    from mlcore.runtime.release.following import Followed

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Occasion:
    """What destinations were to be brought level after.

    Attributes:
        run: The run's name; empty outside of one.
        look_at: Where a person sees the run; empty where there is no such place.
    """

    run: str = ""
    look_at: str = ""


def tell_of(session: Session, config: PipelineConfig, found: Sequence[Followed], occasion: Occasion) -> None:
    """Record which destinations are level and which are not, and send the pipeline's alerts where that is news.

    That it cannot be recorded, or nobody be told, is a warning.
    """
    try:
        with session.metadata.begun() as connection:
            end_others(connection, config.name, [one.place for one in found])
            for one in found:
                if one.error:
                    note_lag(connection, config.name, one.place, one.error)
            lags = find_lags(connection, config.name)
        for one in found:
            if one.place in lags and not (one.error and lags[one.place].told):
                _news(session, config, one, occasion)
    except MlcoreError as error:
        _LOG.warning("of %s nobody was told whether its push destinations are level: %s", config.name, error)


def _news(session: Session, config: PipelineConfig, one: Followed, occasion: Occasion) -> None:
    """Tell of one, under a lock: of two that level it at once the second finds that people know."""
    with session.metadata.exclusive([f"telling {config.name} {one.place}"]):
        with session.metadata.begun() as connection:
            lag = find_lags(connection, config.name).get(one.place)
        if lag is None or (one.error and lag.told):
            return
        if config.alerts.urls and (one.error or lag.told):  # of a lag that nobody knew of, nobody need know the end
            send(config.alerts.urls, _alert(config.name, one, lag, occasion), environ=session.variables)
        with session.metadata.begun() as connection:
            if not one.error:
                end_lag(connection, config.name, one.place)
            elif config.alerts.urls:
                note_told(connection, config.name, one.place)


def _alert(pipeline: str, one: Followed, lag: Lag, occasion: Occasion) -> Alert:
    if one.error:
        headline = "is ahead of a push destination"
        why = f"{one.place}: {one.error}\nthe next run tries again, and so does: mlcore models publish {pipeline}"
    else:
        headline = "is level with a push destination again"
        why = f"{one.place}: {one.said}; it was not level since {iso(lag.since)}, for {_words(lag.lasted)}"
    return Alert(
        pipeline=pipeline,
        run=occasion.run,
        where=occasion.look_at or f"mlcore models publish {pipeline} --check",
        headline=headline,
        why=why,
        good=not one.error,
    )


def _words(lasted: timedelta) -> str:
    """A length of time, roughly.

    >>> _words(timedelta(days=2, hours=3, minutes=20)), _words(timedelta(minutes=70)), _words(timedelta(seconds=9))
    ('2 d 3 h', '1 h 10 min', 'less than a minute')
    """
    minutes = int(lasted.total_seconds()) // 60
    parts = {"d": minutes // 1440, "h": minutes // 60 % 24, "min": minutes % 60}
    said = [f"{number} {unit}" for unit, number in parts.items() if number]
    return " ".join(said[:2]) or "less than a minute"
