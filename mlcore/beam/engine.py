"""What a runner needs around a job: for Flink and Spark a job server in Java, for as long as the job runs."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcore.beam import jars
from mlcore.beam.job_server import JobServer, find_java, serving
from mlcore.beam.options import LOCAL, WHERE, pipeline_options
from mlcore.config.beam import Beam
from mlcore.errors import ConfigError, EngineError, quoted

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

_ANSWER_SECONDS = 10.0
_QUICK_TO_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""A job server lives for one job and moves little data itself."""
_JAR_OPTION = {"FlinkRunner": "flink_job_server_jar", "SparkRunner": "spark_job_server_jar"}


@contextmanager
def prepared(engine: Beam | None) -> Iterator[PipelineOptions]:
    """Options to run one pipeline with; what was started for it is gone afterwards.

    Args:
        engine: The pipeline's ``beam:`` block; by default in this process.

    Raises:
        ConfigError: An option is unknown, wrong or missing.
        EngineError: Java, the jars or the cluster cannot be had.
    """
    engine = engine or LOCAL
    options = pipeline_options(engine)
    if engine.runner == "DataflowRunner":
        _check_dataflow()
    if engine.runner not in _JAR_OPTION or engine.options.get("job_endpoint"):
        yield options
        return
    from apache_beam.options.pipeline_options import PortableOptions

    server = _flink_server(engine, options) if engine.runner == "FlinkRunner" else _spark_server(engine, options)
    with serving(server) as endpoint:
        view: Any = options.view_as(PortableOptions)
        view.job_endpoint = endpoint
        yield options


def _flink_server(engine: Beam, options: PipelineOptions) -> JobServer:
    from apache_beam.options.pipeline_options import FlinkRunnerOptions
    from apache_beam.runners.portability.flink_runner import MAGIC_HOST_NAMES, FlinkRunner

    view: Any = options.view_as(FlinkRunnerOptions)
    own = bool(engine.options.get(_JAR_OPTION[engine.runner]))
    version = str(engine.options.get("flink_version") or ("" if own else jars.pinned_versions("flink")[-1]))
    master = FlinkRunner.add_http_scheme(view.flink_master)
    if master not in MAGIC_HOST_NAMES:
        _check_environment(engine)
        _check_flink(master, version)
    return _server(engine, options, f"flink-{version}", ("--flink-master", master))


def _spark_server(engine: Beam, options: PipelineOptions) -> JobServer:
    from apache_beam.options.pipeline_options import SparkRunnerOptions
    from apache_beam.runners.portability.spark_runner import LOCAL_MASTER_PATTERN, SPARK_JAR_JOB_SERVER_JVM_ARGS

    view: Any = options.view_as(SparkRunnerOptions)
    if not re.match(LOCAL_MASTER_PATTERN, view.spark_master_url):
        _check_environment(engine)
    arguments = ("--spark-master-url", view.spark_master_url)
    return _server(engine, options, f"spark-{view.spark_version}", arguments, jvm=SPARK_JAR_JOB_SERVER_JVM_ARGS)


def _server(
    engine: Beam, options: PipelineOptions, pinned: str, arguments: tuple[str, ...], jvm: list[str] | None = None
) -> JobServer:
    from apache_beam.options.pipeline_options import JobServerOptions

    view: Any = options.view_as(JobServerOptions)
    cache = Path(view.jar_cache_dir).expanduser() if view.jar_cache_dir else jars.default_cache()
    return JobServer(
        java=view.job_server_java_launcher,
        jvm=(*(view.job_server_jvm_properties or _QUICK_TO_START), *(jvm or ())),
        program=_program(engine, pinned, cache, view.job_server_java_launcher),
        arguments=arguments,
    )


def _program(engine: Beam, pinned: str, cache: Path, launcher: str) -> tuple[str, ...]:
    """Java's arguments that name what to run: the user's jar where one is configured, the pinned jars otherwise.

    Nothing is fetched for a Java that is not there.
    """
    option = _JAR_OPTION[engine.runner]
    given = str(engine.options.get(option) or "")
    if given:
        return ("-jar", str(_own_jar(given, option, cache, launcher)))
    found = jars.pinned(pinned)
    if found is None:
        raise ConfigError(
            f"no checksums are pinned for a job server called {pinned}; there are: {', '.join(jars.pinned_names())}",
            where=f"{WHERE}.{option}",
            next_step=f"fetch that version's job server jar of Beam's and name its path in {WHERE}.{option}",
        )
    find_java(launcher)
    files = jars.fetch(found.jars, cache)
    return ("-cp", ":".join(map(str, files)), found.main)


def _own_jar(given: str, option: str, cache: Path, launcher: str) -> Path:
    if "://" in given:
        url, _, checksum = given.partition("#sha256=")
        if not re.fullmatch(r"[0-9a-f]{64}", checksum):
            raise ConfigError(
                "a jar from a URL is only run by its checksum",
                where=f"{WHERE}.{option}",
                next_step="write it behind the URL: #sha256= and 64 hexadecimal digits",
            )
        find_java(launcher)
        return jars.fetch_url(url, checksum, cache)
    path = Path(given).expanduser()
    if not path.is_file():
        raise ConfigError(
            f"there is no job server jar {quoted(given)}",
            where=f"{WHERE}.{option}",
            next_step="correct the path, or leave the option out to use the pinned one",
        )
    return path


def _check_environment(engine: Beam) -> None:
    """Beam's default is a public image that knows nothing of this library."""
    if not engine.options.get("environment_type"):
        raise ConfigError(
            f"{engine.runner} on a cluster must be told where its Python workers run",
            where=f"{WHERE}.environment_type",
            next_step="write EXTERNAL with worker pools, or DOCKER with an image of yours; see docs/how-to.md",
        )


def _check_dataflow() -> None:
    try:
        import_module("apache_beam.runners.dataflow.internal.apiclient")
    except ImportError as error:
        raise ConfigError(
            "Dataflow's runner is not installed",
            where="beam.runner",
            next_step="install apache-beam[gcp], and gcsfs for the artifacts, where this runs",
        ) from error


def _check_flink(master: str, version: str) -> None:
    """A job server of another minor version fails late, and with words about serial numbers of classes."""
    try:
        with closing(urllib.request.urlopen(f"{master}/config", timeout=_ANSWER_SECONDS)) as response:  # noqa: S310
            found = str(json.loads(response.read(1 << 16))["flink-version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(
            f"no Flink cluster answers: {quoted(str(error))}",
            where=master,
            next_step=f"start it, or correct {WHERE}.flink_master: the address of the job manager's REST interface",
        ) from error
    if version and found.split(".")[:2] != version.split(".")[:2]:
        raise ConfigError(
            f"the cluster runs Flink {found[:20]} and the job server is made for {version}",
            where=master,
            next_step=f"use a cluster of {version}, or name the other version's jar in {WHERE}.flink_job_server_jar "
            "and its version in flink_version",
        )
