"""An MLflow tracking server, with the names a pipeline has there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPException
from importlib.util import find_spec
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

from mlcore.config.pipeline import PipelineConfig
from mlcore.config.tracking import Mlflow
from mlcore.errors import ConfigError, TrackingError, quoted
from mlcore.masking import conceal_named

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
_ERROR_LIMIT = 400
DEFAULTS: Mapping[str, str] = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""What MLflow's own defaults are replaced by where the environment says nothing.

A server that is down is told at once, and nothing is sent to anybody else. MLflow would repeat a request whose answer
was lost, although what it asked for may be done: a run or a version would be there twice. A mirror is repeated instead.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """Where a pipeline's runs and models are on a server. ``uri`` may hold secrets and is never shown."""

    pipeline: str
    uri: str = field(repr=False)
    experiment: str
    model: str

    @property
    def shown(self) -> str:
        return masked(self.uri)


def names_of(config: PipelineConfig, environ: Mapping[str, str]) -> Names | None:
    """The names of a pipeline that is mirrored; ``None`` of one that is not.

    Raises:
        ConfigError: A variable of the address is not set.
    """
    given: Mlflow | None = config.tracking.mlflow if config.tracking else None
    if given is None:
        return None
    missing = [name for name in _VARIABLE.findall(given.uri) if not environ.get(name)]
    if missing:
        raise ConfigError(
            f"the environment variable {missing[0]} is not set",
            where=f"tracking.mlflow.uri of {config.name}",
            next_step=f"set {missing[0]} for the command line and for Airflow's scheduler, or write the address itself",
        )
    conceal_named(given.uri, environ)
    uri = _VARIABLE.sub(lambda match: environ[match[1]], given.uri)
    return Names(
        pipeline=config.name, uri=uri, experiment=given.experiment or config.name, model=given.model or config.name
    )


def masked(text: str) -> str:
    """A text without the user and the password of the addresses in it.

    >>> masked("no answer from http://me:secret@host:5000/api")
    'no answer from http://***@host:5000/api'
    """
    return _USERINFO.sub("***@", text)


def reach(names: Names, timeout_seconds: float = 10) -> None:
    """See that MLflow is installed and something answers at the address, before it is imported to talk to that.

    Raises:
        TrackingError: It is not, or nothing does.
    """
    if find_spec("mlflow") is None:
        raise TrackingError(
            "MLflow's client is not installed",
            where=f"tracking.mlflow of {names.pipeline}",
            next_step="install it: pip install 'mlcore[mlflow]'",
        )
    if not names.uri.startswith(("http://", "https://")):
        return
    where = urlsplit(names.uri)
    address = urlunsplit(where._replace(netloc=where.netloc.rpartition("@")[2]))
    try:
        with urlopen(f"{address.rstrip('/')}/health", timeout=timeout_seconds):  # noqa: S310 - its scheme is checked
            return
    except HTTPError:
        return  # it is there, and wants to know who asks
    except (OSError, ValueError, HTTPException) as error:
        raise TrackingError(
            f"MLflow cannot be reached: {quoted(masked(str(error)), limit=_ERROR_LIMIT)}",
            where=names.shown,
            next_step=f"when the server is there again: mlcore mlflow sync {names.pipeline}",
        ) from None


class MlflowServer:
    """One pipeline's place on a server. Importing MLflow takes seconds: it happens when the first method is called.

    Args:
        names: The server, the experiment and the registered model.
    """

    def __init__(self, names: Names) -> None:
        self.names = names

    @cached_property
    def client(self) -> Any:
        """MLflow's own client."""
        import logging

        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        return MlflowClient(tracking_uri=self.names.uri, registry_uri=self.names.uri)

    @cached_property
    def experiment_id(self) -> str:
        """Of the pipeline's experiment, which is made where it is not there.

        Raises:
            TrackingError: People deleted it.
        """
        from mlflow.exceptions import MlflowException

        name = self.names.experiment
        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self.client.create_experiment(name))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = self.client.get_experiment_by_name(name)
        if found.lifecycle_stage != "active":
            raise TrackingError(
                f"the experiment {quoted(name)} was deleted in MLflow",
                where=self.names.shown,
                next_step=f"restore it there (mlflow experiments restore --experiment-id {found.experiment_id}), or"
                " write another name into tracking.mlflow.experiment",
            )
        return str(found.experiment_id)

    @contextmanager
    def told(self) -> Iterator[None]:
        """What MLflow or the network raises, in words and without secrets.

        Raises:
            TrackingError: It was that.
        """
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, OSError) as error:
            if not type(error).__module__.startswith(("mlflow", "requests")):
                raise  # of this machine's files
            why = " ".join(masked(str(error)).split())
            for secret in _secrets(self.names.uri):
                why = why.replace(secret, "***")
            raise TrackingError(
                f"MLflow cannot be reached or refuses: {quoted(why, limit=_ERROR_LIMIT)}",
                where=self.names.shown,
                next_step="see that the server runs and that MLFLOW_TRACKING_TOKEN or the user may write there; then:"
                f" mlcore mlflow sync {self.names.pipeline}",
            ) from None  # the cause holds the address


def _secrets(uri: str) -> tuple[str, ...]:
    try:
        password = urlsplit(uri).password
    except ValueError:
        return ()
    return (password,) if password else ()
