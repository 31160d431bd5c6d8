"""Infra validation runs real processes: ones that answer, and ones that crash, hang, grow, differ or are slow."""

import textwrap

import numpy as np
import pyarrow as pa
import pytest

from mlcore.deployment.infra import Limits, Subject, validate_infra
from mlcore.deployment.requests import build_requests

LIMITS = Limits(latency_p99_seconds=0.5, memory_bytes=2**30, timeout_seconds=60)

SERVERS = {
    "good": "return np.array([float(x) / 3 for x in table['x'].to_pylist()])",
    "raises": "raise ValueError('no such column')",
    "crashes": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "exits": "raise SystemExit(7)",
    "hangs": "import time; time.sleep(60)",
    "grows": "import time; hoard = np.ones(2**27); time.sleep(20)",
    "heavy": "hoard = np.ones(2**24); return np.array([float(x) / 3 for x in table['x'].to_pylist()])",
    "slow": "import time; time.sleep(0.02); return np.array([float(x) / 3 for x in table['x'].to_pylist()])",
    "noisy": "return np.array([np.nextafter(float(x) / 3, 9) for x in table['x'].to_pylist()])",
    "unsure": "return np.array([np.nan for x in table['x'].to_pylist()])",
    "neighbours": "x = np.array(table['x'].to_pylist(), float); return x / 3 + (len(x) == 1)",
    "short": "return np.zeros(1)",
}


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Makes a module that answers in one of the ways above; the probe finds it by PYTHONPATH."""

    def make(name):
        body = SERVERS[name]
        (tmp_path / f"server_{name}.py").write_text(
            "import numpy as np\n\ndef load(folder):\n    return (folder / 'model').read_text()\n\n"
            "def predict(model, table):\n" + textwrap.indent(body, "    ") + "\n"
        )
        (tmp_path / "model").write_text("a model")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return Subject(folder=tmp_path, load=f"server_{name}:load", predict=f"server_{name}:predict")

    return make


REQUESTS = pa.table({"x": pa.array([1.0, 2.0, 5.0])})
EXPECTED = np.array([1.0, 2.0, 5.0]) / 3


def test_good_model_is_blessed_in_the_same_words(server):
    """A model that answers as expected is blessed; two runs give the same words, and measurements besides."""
    verdicts = [validate_infra(server("good"), REQUESTS, EXPECTED, LIMITS) for _ in range(2)]
    assert verdicts[0].blessed
    assert verdicts[0].reasons == verdicts[1].reasons
    assert verdicts[0].reasons[0] == "passed: 3 requests have the answers of training, bit for bit"
    assert 0 < verdicts[0].measurements["latency_p99_seconds"] < 0.5
    assert 2**24 < verdicts[0].measurements["peak_memory_bytes"] < 2**30


@pytest.mark.parametrize(
    ("name", "limits", "words"),
    [
        ("raises", LIMITS, ["exit code 1", "no such column"]),
        ("crashes", LIMITS, ["killed by SIGSEGV"]),
        ("exits", LIMITS, ["exit code 7"]),
        ("hangs", Limits(latency_p99_seconds=1, memory_bytes=2**30, timeout_seconds=3), ["within 3 s"]),
        ("grows", Limits(latency_p99_seconds=1, memory_bytes=2**28), ["allowed 256 MiB", "was stopped"]),
        ("heavy", Limits(latency_p99_seconds=1, memory_bytes=2**27), ["peak memory is", "allowed 128 MiB"]),
        ("slow", Limits(latency_p99_seconds=0.01, memory_bytes=2**30), ["p99 latency", "allowed 10 ms"]),
        ("noisy", LIMITS, ["3 of 3 answers differ (the first: 0.33333333333333337 for 0.3333333333333333)"]),
        ("unsure", LIMITS, ["the answer to request 0 is nan"]),
        ("neighbours", LIMITS, ["3 of 3 answers differ", "when asked one by one"]),
        ("short", LIMITS, ["1 answers to 3 requests"]),
    ],
)
def test_bad_model_is_a_verdict_with_the_reason(server, name, limits, words):
    """Whatever the model's process does, the verdict is negative and says what it did."""
    verdict = validate_infra(server(name), REQUESTS, EXPECTED, limits)
    assert not verdict.blessed
    blocked = "\n".join(reason for reason in verdict.reasons if reason.startswith("blocked: "))
    for word in words:
        assert word in blocked


def test_missing_model_folder(tmp_path):
    """A model whose file is gone is a negative verdict that names the file."""
    verdict = validate_infra(Subject(folder=tmp_path / "gone"), REQUESTS, EXPECTED, LIMITS)
    assert not verdict.blessed
    assert "model.skops" in verdict.reasons[0]


def test_requests_hold_sample_and_edges():
    """Requests are rows of the examples, one with nothing known, one with nothing seen, one for each column unknown."""
    schema = pa.schema([("a", pa.string()), ("n", pa.int64()), ("d", pa.date32()), ("y", pa.int8())])
    table = pa.table([["x"] * 999, list(range(999)), [None] * 999, [1] * 999], schema=schema)
    requests = build_requests(table, without=("y",), rows=10)
    rows = requests.to_pylist()
    assert requests.schema == schema.remove(3)
    assert len(rows) == 10 + 2 + 3
    assert rows[0] == {"a": "x", "n": 0, "d": None}
    assert rows[10] == {"a": None, "n": None, "d": None}
    assert rows[11]["a"] != "x"
    assert rows[11]["n"] < 0
    assert rows[12]["a"] is None
    assert rows[12]["n"] == 0


def test_requests_of_no_examples():
    """Without examples there are still the edges."""
    assert build_requests(pa.table({"a": pa.array([], pa.string())})).num_rows == 2
