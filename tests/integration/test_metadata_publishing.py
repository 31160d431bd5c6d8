"""What a publication costs the server, who may come in between, and connections whose server has gone."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from support.databases import execute
from support.stores import new_artifact, new_execution

from mlcore.core.types import ExecutionState
from mlcore.errors import MetadataUnavailable
from mlcore.metadata import engine
from mlcore.metadata.store import AlreadyPublished, MetadataStore, Publication


@pytest.fixture
def store(database_url: str) -> Iterator[MetadataStore]:
    opened = MetadataStore.open(database_url)
    yield opened
    opened.close()


def publish(store: MetadataStore, *names: str) -> list[int]:
    """One execution a name, published together; their ids."""
    begun = store.begin_many([(new_execution(name), {}) for name in names])
    made = [Publication(execution_id=one.id, outputs={"model": [new_artifact(f"{one.id}/model")]}) for one in begun]
    store.publish(made)
    return [one.id for one in begun]


def cut(postgres_url: str, store: MetadataStore) -> None:
    """End the connections of the store's database, as a server does that is stopped."""
    database = store._engine.url.database
    execute(postgres_url, f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'")


class Relay:
    """A socket in front of the server's: counts the client's messages, and loses connections as a firewall does.

    Attributes:
        sent: So many messages the client sent.
    """

    def __init__(self, folder: Path, server: str) -> None:
        self._server = str(Path(server, ".s.PGSQL.5432"))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.lost: list[socket.socket] = []
        self.sent = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            self._pairs.append((client, server))
            threading.Thread(target=self._carry, args=(client, server, client), daemon=True).start()
            threading.Thread(target=self._carry, args=(server, client, client), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if client in self.lost:
                    break
                self.sent += source is client
                target.sendall(data)
        if client not in self.lost or source is client:
            client.close()

    def lose(self) -> None:
        """End the server's side of every connection; the client's looks as if nothing had happened."""
        for client, server in self._pairs:
            self.lost.append(client)
            server.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()


@pytest.fixture
def relay(database_url: str, tmp_path: Path) -> Relay:
    return Relay(tmp_path, str(make_url(database_url).query["host"]))


@pytest.fixture
def relayed(relay: Relay, database_url: str, tmp_path: Path) -> Iterator[MetadataStore]:
    """A store whose connections go through the relay."""
    url = make_url(database_url).set(query={"host": str(tmp_path)})
    opened = MetadataStore.open(url.render_as_string(hide_password=False))
    yield opened
    opened.close()


def test_a_publication_is_two_messages(relayed: MetadataStore, relay: Relay) -> None:
    """Beginning is one message and publishing another: nothing is asked or set around them."""
    publish(relayed, "first")
    before = relay.sent
    publish(relayed, "second")
    assert relay.sent - before == 2


def rows_looked_at(store: MetadataStore) -> int:
    """Rows read by scans of whole tables, and by the index that grows with every execution until a vacuum."""
    with store.begun() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
    with store.begun() as connection:
        tables = connection.scalar(text("SELECT sum(seq_tup_read) FROM pg_stat_user_tables"))
        index = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'execution_under_way'"
        return int(tables + connection.scalar(text(index)))


def test_a_publication_does_not_look_at_those_before_it(store: MetadataStore) -> None:
    """Rows are found by their keys, also by a connection that made its plans when the tables were small."""
    publish(store, "first")
    with store.begun() as connection:
        connection.execute(text("ANALYZE execution, event, artifact, execution_cache"))
    before = rows_looked_at(store)
    for number in range(20):
        publish(store, f"f{number}")
    assert rows_looked_at(store) == before


def test_contexts_are_those_of_the_executions(store: MetadataStore) -> None:
    """Pipeline and run are contexts of what ran in them and of what that made; what it read is not attributed."""
    (first,) = publish(store, "f")
    made = store.outputs(first)["model"][0].id
    read = store.begin(new_execution("g", run="s"), {"in": [made]})
    with store.begun() as connection:

        def rows(table: str) -> list[tuple[object, ...]]:
            return [tuple(row) for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2, 3"))]

        assert [tuple(row) for row in connection.execute(text("SELECT * FROM context ORDER BY 1, 2"))] == [
            ("pipeline", "p"),
            ("run", "p/r"),
            ("run", "p/s"),
        ]
        assert rows("association") == [
            ("pipeline", "p", first),
            ("pipeline", "p", read.id),
            ("run", "p/r", first),
            ("run", "p/s", read.id),
        ]
        assert rows("attribution") == [("pipeline", "p", made), ("run", "p/r", made)]


def test_portions_that_overlap_neither_wait_in_a_ring_nor_both_win(store: MetadataStore) -> None:
    """Publishers of the same work in opposite orders: one publishes all of its portion, the others nothing."""
    names = [f"f{number}" for number in range(30)]
    orders = [names, names[::-1], names[15:] + names[:15]]
    begun = [store.begin_many([(new_execution(), {}) for _ in order]) for order in orders]
    with store.begun() as connection:  # as if their locks had been lost: of one fingerprint, three run
        connection.execute(text("ALTER TABLE execution DISABLE TRIGGER execution_rules"))
        for order, executions in zip(orders, begun, strict=True):
            for name, one in zip(order, executions, strict=True):
                connection.execute(
                    text("UPDATE execution SET fingerprint = :name WHERE id = :id"), {"name": name, "id": one.id}
                )
        connection.execute(text("ALTER TABLE execution ENABLE TRIGGER execution_rules"))
    won, lost, barrier = [], [], threading.Barrier(len(orders))

    def work(number: int) -> None:
        portion = [
            Publication(execution_id=one.id, outputs={"model": [new_artifact(f"{one.id}/model")]})
            for one in begun[number]
        ]
        barrier.wait()
        try:
            store.publish(portion)
            won.append(number)
        except AlreadyPublished as error:
            lost.append(error.execution_id)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(orders))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(won) == 1
    ids = {one.id for one in begun[won[0]]}
    assert lost == [min(ids)] * 2
    assert set(store.cached(names).values()) == ids
    states = [one.state for one in store.executions("p", "r")]
    assert states.count(ExecutionState.COMPLETE) == 30
    assert states.count(ExecutionState.RUNNING) == 60


@pytest.mark.parametrize("rested", [False, True])
def test_connections_that_the_server_closed_are_not_used(
    store: MetadataStore, postgres_url: str, monkeypatch: pytest.MonkeyPatch, rested: bool
) -> None:
    """After a restart of the server every step finds a connection that works, just used or rested."""
    if rested:
        monkeypatch.setattr(engine, "_RESTED_SECONDS", 0.0)
    names = itertools.count()
    for act in (lambda: publish(store, f"f{next(names)}"), lambda: store.cached(["f0"]), lambda: store.runs("p")):
        act()
        cut(postgres_url, store)
        act()
    with store.exclusive(["a"]):
        begun = store.begin(new_execution("a"), {})
        cut(postgres_url, store)  # with the connection that held the lock
        store.publish([Publication(execution_id=begun.id, outputs={})])
    assert store.execution(begun.id).state is ExecutionState.COMPLETE


def test_a_connection_that_rested_is_asked_whether_it_lives(
    relayed: MetadataStore, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was lost in silence shows no end: after a rest it is found out, within a second it is an error, once."""
    relayed.running()
    monkeypatch.setattr(engine, "_RESTED_SECONDS", 3600.0)
    relay.lose()
    with pytest.raises(MetadataUnavailable, match="does not answer"):
        relayed.running()
    assert relayed.running() == frozenset()
    monkeypatch.setattr(engine, "_RESTED_SECONDS", 0.0)
    relay.lose()
    assert relayed.running() == frozenset()
