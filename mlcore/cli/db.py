"""``mlcore db migrate``."""

from __future__ import annotations

from typing import Annotated

import typer

from mlcore.cli.context import notes, settings

db = typer.Typer(help="The metadata database.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(db, name="db")


@db.command()
def migrate(
    create: Annotated[bool, typer.Option("--create", help="Create the database first where there is none.")] = False,
) -> None:
    """Create or upgrade the tables; does nothing when they are up to date."""
    from mlcore.metadata import store
    from mlcore.platform.databases import create_databases, database_of
    from mlcore.platform.postgres import ensure_database

    with ensure_database(settings()) as url:
        if create:
            create_databases(url, [database_of(url)])
        store.migrate(url)
    notes.print("the metadata database is up to date")
