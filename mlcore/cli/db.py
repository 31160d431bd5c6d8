"""``mlcore db migrate``."""

from __future__ import annotations

import typer

from mlcore.cli.context import notes, settings

db = typer.Typer(help="The metadata database.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(db, name="db")


@db.command()
def migrate() -> None:
    """Create or upgrade the tables; does nothing when they are up to date."""
    from mlcore.metadata import store
    from mlcore.platform.postgres import ensure_database

    with ensure_database(settings()) as url:
        store.migrate(url)
    notes.print("the metadata database is up to date")
