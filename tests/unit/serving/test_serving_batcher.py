"""Requests that wait are answered together, each with its own answers."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from mlcore.errors import DataError, Overloaded
from mlcore.serving.batcher import Batcher


def rows(*values):
    return pa.record_batch({"x": list(values)})


class Slow:
    """Answers with the model and the value, and only when it may; remembers what it was asked at once."""

    def __init__(self):
        self.may = threading.Event()
        self.asked = []

    def __call__(self, model, batches):
        assert self.may.wait(30)
        values = [value for batch in batches for value in batch["x"].to_pylist()]
        self.asked.append((model, values))
        if 13 in values:
            raise DataError("thirteen")
        return [(model, value) for value in values]


def run(asks, **limits):
    """Ask all at once, then let the model answer; what came of each, and what the model was asked."""
    slow = Slow()

    async def all_of_them():
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(slow, executor, **{"most_at_once": 4, "most_waiting": 100} | limits)
            tasks = []
            for model, batch in asks:
                tasks.append(asyncio.create_task(batcher.ask(model, batch)))
                await asyncio.sleep(0.02)  # the first is being answered when the others come
            slow.may.set()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert batcher.waiting_rows == 0
            return results

    return asyncio.run(all_of_them()), slow.asked


def test_what_waits_is_answered_together_up_to_a_limit():
    """The first goes alone; those that came meanwhile go together, and each gets its own answers."""
    results, asked = run([("a", rows(1)), ("a", rows(2)), ("a", rows(3, 4)), ("a", rows(5)), ("a", rows(6))])
    assert results == [[("a", 1)], [("a", 2)], [("a", 3), ("a", 4)], [("a", 5)], [("a", 6)]]
    assert asked == [("a", [1]), ("a", [2, 3, 4, 5]), ("a", [6])]


def test_a_request_is_answered_by_the_model_it_was_made_for():
    """Requests of two models are never answered together."""
    results, asked = run([("a", rows(1)), ("a", rows(2)), ("b", rows(3)), ("b", rows(4))])
    assert results == [[("a", 1)], [("a", 2)], [("b", 3)], [("b", 4)]]
    assert asked == [("a", [1]), ("a", [2]), ("b", [3, 4])]


def test_rows_that_a_model_refuses_fail_their_own_request_only():
    """The others of the batch are answered."""
    results, _ = run([("a", rows(1)), ("a", rows(2)), ("a", rows(13)), ("a", rows(3))])
    assert [results[0], results[1], results[3]] == [[("a", 1)], [("a", 2)], [("a", 3)]]
    assert isinstance(results[2], DataError)


def test_too_much_that_waits_is_refused():
    """One request of many rows is taken where nothing waits."""
    results, _ = run([("a", rows(*[0] * 20)), ("a", rows(1))], most_waiting=10)
    assert len(results[0]) == 20
    assert isinstance(results[1], Overloaded)


def test_who_has_gone_is_not_waited_for():
    """A request that was given up changes nothing for the others."""

    async def given_up():
        slow = Slow()
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(slow, executor, most_at_once=4, most_waiting=100)
            gone = asyncio.create_task(batcher.ask("a", rows(1)))
            stays = asyncio.create_task(batcher.ask("a", rows(2)))
            await asyncio.sleep(0.05)
            gone.cancel()
            slow.may.set()
            with pytest.raises(asyncio.CancelledError):
                await gone
            return await stays, batcher.waiting_rows

    assert asyncio.run(given_up()) == ([("a", 2)], 0)
