"""``mlcore models``: what is registered, what moves the aliases, and versions rebuilt, compared and carried."""

from __future__ import annotations

import typer

from mlcore.cli.lazy import LazyGroup


class Verbs(LazyGroup):
    """``mlcore models``: what each verb imports no other waits for."""

    modules = {
        "list": "mlcore.cli.models.show",
        "history": "mlcore.cli.models.show",
        "show": "mlcore.cli.models.show",
        "lineage": "mlcore.cli.models.show",
        "rollback": "mlcore.cli.models.moves",
        "promote": "mlcore.cli.models.moves",
        "pin": "mlcore.cli.models.moves",
        "unpin": "mlcore.cli.models.moves",
        "approve": "mlcore.cli.models.moves",
        "reject": "mlcore.cli.models.moves",
        "alias": "mlcore.cli.models.moves",
        "reproduce": "mlcore.cli.models.reproduce",
        "lock": "mlcore.cli.models.reproduce",
        "compare": "mlcore.cli.models.compare",
        "diff": "mlcore.cli.models.diff",
        "publish": "mlcore.cli.models.publish",
        "export": "mlcore.cli.models.exchange",
        "import": "mlcore.cli.models.exchange",
    }


def register(app: typer.Typer) -> None:
    app.add_typer(
        typer.Typer(cls=Verbs, help="Registered models, their aliases and the history of both.", no_args_is_help=True),
        name="models",
    )
