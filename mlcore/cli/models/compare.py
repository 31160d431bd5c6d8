"""``mlcore models compare``: the challenger beside the champion, look by look; as a page, too."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from mlcore.cli.context import console, notes, session, settings
from mlcore.cli.output import print_json, write_page
from mlcore.config.files import pipeline_file
from mlcore.core.window import iso

if TYPE_CHECKING:
    from mlcore.registry.challenge import Look
    from mlcore.runtime.challenges import ChallengeReport


def register(models: typer.Typer) -> None:
    models.command()(compare)


def compare(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline.")],
    html: Annotated[Path | None, typer.Option(help="Write it as one HTML file, too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """How the challenger compares with the champion so far, and what is left of its time; a monitoring looks again."""
    from mlcore.config.loader import find_pipeline
    from mlcore.evaluation.card.html import document
    from mlcore.runtime.challenge_page import content, title
    from mlcore.runtime.challenges import facts, report_challenge

    pipeline_file(settings().pipelines, pipeline)
    config = find_pipeline(settings().pipelines, pipeline)
    with session() as stores:
        report, looks = report_challenge(stores, config), stores.registry.looks(pipeline)
    if html is not None:
        write_page(html, document(title(report), content(report)))
    if as_json:
        print_json({**_described(report), "looks": [asdict(look) for look in looks]})
        return
    for name, value in (facts(report) or {pipeline: report.state}).items():
        notes.print(f"{name}: {value}", highlight=False, markup=False)
    if looks:
        console.print(_table(looks))


def _described(report: ChallengeReport) -> dict[str, Any]:
    challenge = report.challenge
    if challenge is None:
        return {"challenger": None, "state": report.state}
    return {
        "challenger": challenge.challenger.version,
        "champion": challenge.champion.version,
        "since": iso(challenge.since),
        "compared_from": iso(challenge.start),
        "state": report.state,
        "mode": report.rollout.mode if report.rollout else None,
        "looks_allowed": report.allowed,
    }


def _table(looks: tuple[Look, ...]) -> Table:
    table = Table("challenger", "champion", "look", "labels up to", "rows", "spent", "verdict", "why", box=None)
    for one in looks:
        table.add_row(
            str(one.challenger), str(one.champion), str(one.look), iso(one.until), f"{one.rows:,}",
            f"{one.spent:.0%}", one.verdict.value, Text(one.reason),
        )  # fmt: skip
    return table
