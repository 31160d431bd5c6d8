"""What is missing for a distributed runner is told before anything starts."""

from __future__ import annotations

import re
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlcore.beam.engine import prepared
from mlcore.beam.job_server import JobServer, serving
from mlcore.config.beam import Beam
from mlcore.errors import ConfigError, EngineError, MlcoreError

LISTENS = "import socket,sys,time; s=socket.create_server(('localhost', int(sys.argv[sys.argv.index('--job-port')+1])))"


def refused(runner: str, **options: Any) -> MlcoreError:
    with pytest.raises(MlcoreError) as caught, prepared(Beam.model_validate({"runner": runner, "options": options})):
        pass
    return caught.value


@pytest.mark.parametrize(
    ("runner", "options", "kind", "said"),
    [
        ("FlinkRunner", {"flink_master": "h:8081"}, ConfigError, "where its Python workers run"),
        ("SparkRunner", {"spark_master_url": "spark://h:7077"}, ConfigError, "where its Python workers run"),
        (
            "FlinkRunner",
            {"flink_version": "2.2"},
            ConfigError,
            "no checksums are pinned .* flink-2.2; there are: flink",
        ),
        ("FlinkRunner", {"flink_job_server_jar": "/no/such.jar"}, ConfigError, "there is no job server jar"),
        ("SparkRunner", {"spark_job_server_jar": "https://h/x.jar"}, ConfigError, "only run by its checksum"),
    ],
)
def test_what_is_missing_is_named(runner: str, options: dict[str, Any], kind: type[MlcoreError], said: str) -> None:
    """Nothing is started and nothing downloaded for a block that cannot work."""
    error = refused(runner, **options)
    assert type(error) is kind
    assert re.search(said, error.what)
    assert error.where.startswith("beam.options.")
    assert error.next_step


def test_without_java_the_error_says_so(tmp_path: Path) -> None:
    """It names the option in which a launcher can be given."""
    jar = tmp_path / "server.jar"
    jar.write_bytes(b"")
    error = refused("FlinkRunner", flink_job_server_jar=str(jar), job_server_java_launcher="no-such-java")
    assert type(error) is EngineError
    assert "there is no Java: 'no-such-java'" in error.what
    assert error.where == "beam.options.job_server_java_launcher"


def test_nothing_is_fetched_for_a_java_that_is_not_there(tmp_path: Path) -> None:
    """Neither the pinned jars nor one from a URL: the error comes before the download."""
    for options in ({}, {"flink_job_server_jar": f"http://localhost:1/x.jar#sha256={'0' * 64}"}):
        cache = tmp_path / "cache"
        error = refused("FlinkRunner", job_server_java_launcher="no-such-java", jar_cache_dir=str(cache), **options)
        assert "there is no Java" in error.what
        assert not cache.exists()


def test_dataflow_without_its_packages_says_what_to_install() -> None:
    """Before a job is made, not as a failure of the job."""
    if find_spec("google") and find_spec("apitools"):
        pytest.skip("Dataflow's packages are installed")
    error = refused("DataflowRunner", project="p", region="r", temp_location="gs://bucket/beam")
    assert error.where == "beam.runner"
    assert "apache-beam[gcp]" in error.next_step


def test_a_server_lives_as_long_as_its_job() -> None:
    """It answers at the endpoint, and is gone afterwards, also when the job fails."""
    server = JobServer(java=sys.executable, jvm=(), program=("-c", f"{LISTENS}; time.sleep(60)"), arguments=())
    before = set(psutil.Process().children())
    seen = []

    def job() -> None:
        with serving(server) as endpoint:
            host, port = endpoint.split(":")
            socket.create_connection((host, int(port)), timeout=10).close()
            seen.extend(set(psutil.Process().children()) - before)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        job()
    assert len(seen) == 1
    assert set(psutil.Process().children()) == before


def test_a_server_that_does_not_start_is_quoted() -> None:
    """Its last words are in the error."""
    server = JobServer(
        java=sys.executable, jvm=(), program=("-c", "import sys; sys.exit('wrong class file version')"), arguments=()
    )
    with (
        pytest.raises(EngineError, match=r"ended with code 1; it said last: .*wrong class file version"),
        serving(server),
    ):
        pass
