"""``mlcore models compare``: the challenger beside the champion, look by look; as a page, too."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from mlcore.cli.context import console, notes, session, settings
from mlcore.config.files import pipeline_file
from mlcore.core.window import iso

if TYPE_CHECKING:
    from mlcore.config.pipeline import PipelineConfig
    from mlcore.config.rollout import Rollout
    from mlcore.registry.challenge import Challenge, Look
    from mlcore.runtime.session import Session


def compare(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline.")],
    html: Annotated[Path | None, typer.Option(help="Write it as one HTML file, too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """How the challenger compares with the champion so far, and what is left of its time; a monitoring looks again."""
    from mlcore.cli.models import show_json
    from mlcore.config.loader import find_pipeline

    pipeline_file(settings().pipelines, pipeline)
    config = find_pipeline(settings().pipelines, pipeline)
    rollout = config.push.rollout
    with session() as stores:
        challenge, looks = stores.registry.challenge(pipeline), stores.registry.looks(pipeline)
        if html is not None:
            _write(html, stores, config)
    if as_json:
        show_json({**_described(challenge, rollout), "looks": [asdict(look) for look in looks]})
        return
    if challenge is None:
        notes.print(f"nobody challenges the champion of {pipeline}", highlight=False)
    else:
        for name, value in _described(challenge, rollout).items():
            notes.print(f"{name.replace('_', ' ')}: {value}", highlight=False, markup=False)
    if looks:
        console.print(_table(looks))


def _write(path: Path, stores: Session, config: PipelineConfig) -> None:
    from mlcore.cli.data.output import write_page
    from mlcore.evaluation.card.html import document
    from mlcore.runtime.challenge_page import content, title
    from mlcore.runtime.challenges import report_challenge

    report = report_challenge(stores, config)
    write_page(path, document(title(report), content(report)))


def _described(challenge: Challenge | None, rollout: Rollout | None) -> dict[str, Any]:
    if challenge is None:
        return {"challenger": None}
    found: dict[str, Any] = {
        "challenger": challenge.challenger.version,
        "champion": challenge.champion.version,
        "since": iso(challenge.since),
        "compared_from": iso(challenge.start),
        "state": _state(challenge),
    }
    if rollout is None:
        return {**found, "left": "push.rollout is not set: nothing compares them"}
    seen = challenge.looks[-1].until if challenge.looks else challenge.start
    left = max(challenge.start + rollout.at_most - seen, rollout.at_most * 0)
    share = f", {rollout.share:.0%} of requests" if rollout.mode == "canary" else ""
    return {**found, "mode": rollout.mode + share, "left": f"{left} of labelled rows"}


def _state(challenge: Challenge) -> str:
    if challenge.passed is not None:
        return f"passed at look {challenge.passed.look}, waits for approval or for a pin to be gone"
    if not challenge.looks:
        return "not looked at yet"
    last = challenge.looks[-1]
    return f"{last.rows:,} rows compared: {last.reason}"


def _table(looks: tuple[Look, ...]) -> Table:
    table = Table("challenger", "champion", "look", "labels up to", "rows", "spent", "verdict", "why", box=None)
    for one in looks:
        table.add_row(
            str(one.challenger), str(one.champion), str(one.look), iso(one.until), f"{one.rows:,}",
            f"{one.spent:.0%}", one.verdict.value, Text(one.reason),
        )  # fmt: skip
    return table
