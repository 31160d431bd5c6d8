"""Infra validation runs real processes: ones that answer, and ones that crash, hang, grow, differ or are slow."""

import pickle
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import skops.io

from mlcore.deployment.infra import Limits, Subject, validate_infra
from mlcore.deployment.requests import build_requests, hard_requests
from mlcore.deployment.serving_only import needed_by

LIMITS = Limits(latency_p99_seconds=0.5, memory_bytes=2**30, timeout_seconds=60)

SERVERS = {
    "good": "return np.array([float(x) / 3 for x in table['x'].to_pylist()])",
    "raises": "raise ValueError('no such column')",
    "crashes": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "exits": "raise SystemExit(7)",
    "hangs": "import time; time.sleep(60)",
    "grows": "import time; hoard = np.ones(2**27); time.sleep(20)",
    "breeds": "import subprocess, sys, time\n"
    "subprocess.Popen([sys.executable, '-c', 'hoard = bytearray(b\"x\" * 2**29); import time; time.sleep(40)'])\n"
    "time.sleep(40)",
    "grabs": "return np.zeros(2**44)",
    "imports": "import pandas; return np.array(table['x'].to_pylist()) / 3",
    "refuses many": "if len(table) > 3: raise ValueError('too many rows')\nreturn np.array(table['x'].to_pylist()) / 3",
    "other among many": "return np.array(table['x'].to_pylist()) / 3 + (len(table) > 3)",
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
        body, name = SERVERS[name], name.replace(" ", "_")
        (tmp_path / f"server_{name}.py").write_text(
            "import numpy as np\n\ndef load(folder):\n    return (folder / 'model').read_text()\n\n"
            "def predict(model, table):\n" + textwrap.indent(body, "    ") + "\n"
        )
        (tmp_path / "model").write_text("a model")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return Subject(folder=tmp_path, load=f"server_{name}:load", predict=f"server_{name}:predict")

    return make


REQUESTS = pa.table({"x": pa.array([1.0, 2.0, 5.0])})


def answers(rows):
    return np.array(rows["x"].to_pylist()) / 3


def test_good_model_is_blessed_in_the_same_words(server):
    """A model that answers as expected is blessed; two runs give the same words, and measurements besides."""
    verdicts = [validate_infra(server("good"), REQUESTS, answers, LIMITS) for _ in range(2)]
    assert verdicts[0].blessed
    assert verdicts[0].reasons == verdicts[1].reasons
    assert verdicts[0].reasons[0] == "passed: 3 requests have the answers of training, bit for bit"
    assert 0 < verdicts[0].measurements["latency_p99_seconds"] < 0.5
    assert 2**24 < verdicts[0].measurements["peak_memory_bytes"] < 2**30


@pytest.mark.parametrize(
    ("name", "limits", "words"),
    [
        ("raises", LIMITS, ["raised ValueError: no such column"]),
        ("crashes", LIMITS, ["killed by SIGSEGV"]),
        ("exits", LIMITS, ["exit code 7"]),
        ("hangs", Limits(latency_p99_seconds=1, memory_bytes=2**30, timeout_seconds=3), ["within 3 s"]),
        ("grows", Limits(latency_p99_seconds=1, memory_bytes=2**28), ["allowed 256 MiB", "was stopped"]),
        ("heavy", Limits(latency_p99_seconds=1, memory_bytes=2**27), ["allowed 128 MiB"]),
        ("breeds", Limits(latency_p99_seconds=1, memory_bytes=2**28), ["allowed 256 MiB", "was stopped"]),
        ("grabs", LIMITS, ["raised", "MemoryError"]),
        ("imports", LIMITS, ["raised ModuleNotFoundError: pandas is no serving dependency"]),
        ("refuses many", LIMITS, ["too many rows"]),
        ("other among many", LIMITS, ["when among 10,000 rows from when asked all at once"]),
        ("slow", Limits(latency_p99_seconds=1, latency_p50_seconds=0.01, memory_bytes=2**30), ["p50 latency of one"]),
        ("good", Limits(latency_p99_seconds=1, memory_bytes=2**30, size_bytes=6), ["size of the model's files"]),
        ("slow", Limits(latency_p99_seconds=0.01, memory_bytes=2**30), ["p99 latency", "allowed 10 ms"]),
        (
            "noisy",
            LIMITS,
            ["of requests, 3 of 3 answers differ (the first: 0.33333333333333337 for 0.3333333333333333)"],
        ),
        ("unsure", LIMITS, ["the answer to one of the requests, number 0, is nan"]),
        ("neighbours", LIMITS, ["3 of 3 answers differ", "when asked one by one"]),
        ("short", LIMITS, ["1 answers to 3 requests"]),
    ],
)
def test_bad_model_is_a_verdict_with_the_reason(server, name, limits, words):
    """Whatever the model's process does, the verdict is negative and says what it did."""
    verdict = validate_infra(server(name), REQUESTS, answers, limits)
    assert not verdict.blessed
    blocked = "\n".join(reason for reason in verdict.reasons if reason.startswith("blocked: "))
    for word in words:
        assert word in blocked


def test_missing_model_folder(tmp_path):
    """A model whose file is gone is a negative verdict that names the file."""
    verdict = validate_infra(Subject(folder=tmp_path / "gone"), REQUESTS, answers, LIMITS)
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


class Stranger:
    """A type that no model file may hold."""


def test_an_unknown_type_is_refused_by_name(tmp_path):
    """Before anything of the file is built; what the model would have answered is never asked."""
    (tmp_path / "model.skops").write_bytes(skops.io.dumps([Stranger()]))
    verdict = validate_infra(Subject(folder=tmp_path), REQUESTS, pytest.fail, LIMITS)
    assert not verdict.blessed
    assert "raised UntrustedModel" in verdict.reasons[0]
    assert "Stranger" in verdict.reasons[0]


def test_a_pickle_is_not_run(tmp_path):
    """A file of code in the place of a model is no model, and its code does not run."""

    class Runs:
        def __reduce__(self):
            return Path.mkdir, (tmp_path / "ran",)

    (tmp_path / "model.skops").write_bytes(pickle.dumps(Runs()))
    verdict = validate_infra(Subject(folder=tmp_path), REQUESTS, pytest.fail, LIMITS)
    assert "raised ModelError: the model file cannot be read" in verdict.reasons[0]
    assert not (tmp_path / "ran").exists()


def test_logged_requests_are_asked_too(server):
    """The previous log of requests is tried where there is one, bit for bit."""
    logged = pa.table({"x": pa.array([7.0, 8.0])})
    verdict = validate_infra(server("good"), REQUESTS, answers, LIMITS, logged=logged)
    assert verdict.blessed
    assert "passed: 2 logged requests have the answers of training, bit for bit" in verdict.reasons


def test_what_serves_imports_nothing_that_trains_or_orchestrates():
    """Neither the probe nor what loads and asks a model needs anything that a server does not have."""
    code = (
        "from mlcore.deployment.serving_only import NOT_SERVED, raise_barrier\nraise_barrier()\n"
        "import sys, mlcore.deployment.probe, mlcore.training.model, mlcore.training.predict, sklearn.ensemble\n"
        "print(sorted(name for name in NOT_SERVED if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


def test_what_a_models_library_requires_is_served_with_it(server):
    """A library that cannot be imported without pandas brings it along; nothing else does."""
    assert "pandas" in needed_by(["evidently"])
    assert needed_by(["scikit-learn", "lightgbm", "not-installed"]) == ()
    assert validate_infra(replace(server("imports"), needs=("pandas",)), REQUESTS, answers, LIMITS).blessed


def test_hard_requests_are_extremes_of_every_type():
    """Numbers at their ends, zeros, NaN, empty and long strings, far dates; other types are not known."""
    schema = pa.schema(
        [
            ("s", pa.string()), ("n", pa.int64()), ("i", pa.int8()), ("f", pa.float64()), ("b", pa.bool_()),
            ("d", pa.date32()), ("t", pa.timestamp("us", "UTC")), ("x", pa.binary()),
        ]
    )  # fmt: skip
    rows = hard_requests(schema)
    assert rows.schema == schema
    found = rows.to_pydict()
    assert found["n"] == [2**53, -(2**53), 0, None]
    assert found["i"] == [127, -127, 0, None]
    assert found["f"][:3] == [1e300, -1e300, 0.0]
    assert np.isnan(found["f"][3])
    assert found["s"][1:] == [" ", "", None]
    assert len(found["s"][0]) == 1000
    assert [moment and moment.year for moment in found["d"]] == [9999, 1, 1970, None]
    assert found["x"] == [None] * 4
