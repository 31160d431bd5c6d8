"""Databases of one test, on the server that all tests share."""

from __future__ import annotations

import secrets

from sqlalchemy import create_engine, make_url, text


def clone(server: str, template: str) -> str:
    """The URL of a new database with what is in ``template``."""
    return create(server, f"test_{secrets.token_hex(6)}", template)


def create(server: str, name: str, template: str = "template1") -> str:
    """The URL of a new database of this name; nobody may be connected to ``template``."""
    execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def drop(server: str, url: str) -> None:
    """Remove a database, whoever is connected to it."""
    execute(server, f"DROP DATABASE {make_url(url).database} WITH (FORCE)")


def no_waiting_for_the_disk(server: str) -> None:
    """Tests kill clients, never the machine: what a server of theirs has not yet written to disk is not lost."""
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        execute(server, f"ALTER SYSTEM SET {setting} = off")
    execute(server, "SELECT pg_reload_conf()")


def execute(url: str, statement: str) -> None:
    """Run one statement outside of a transaction."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
