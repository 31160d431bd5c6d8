"""What people do to models, as DAGs with a form: for those who have no shell, and whom Airflow lets trigger them.

    from mlcore.airflow.actions import build_registry_dags

    dags = build_registry_dags()

One DAG an action, so that roles can be given one and not the other. The history names the Airflow user.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, BaseOperator, Param
from airflow.sdk.exceptions import AirflowFailException

from mlcore.airflow.dags import TAG
from mlcore.airflow.naming import ACTION_PREFIX
from mlcore.airflow.operators import airflow_run
from mlcore.airflow.requests import AirflowRun
from mlcore.airflow.secrecy import task_settings
from mlcore.config.loader import find_pipeline, pipeline_names
from mlcore.config.settings import Settings
from mlcore.errors import DestinationError, MlcoreError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mlcore.runtime.session import Session

_LOG = logging.getLogger(__name__)
_SHOWN = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """Who does it, to what, and why.

    Attributes:
        version, expect: Where the form has them.
        origin: The Airflow run.
    """

    pipeline: str
    actor: str
    reason: str
    version: int | None
    expect: int | None
    origin: Mapping[str, Any]


def _promote(session: Session, act: Act) -> int:
    _, now = session.registry.promote(
        act.pipeline, act.version or 0, actor=act.actor, reason=act.reason, expect=act.expect
    )
    return now.version


def _rollback(session: Session, act: Act) -> int:
    _, now = session.registry.rollback(act.pipeline, act.version, actor=act.actor, reason=act.reason, expect=act.expect)
    return now.version


def _pin(session: Session, act: Act) -> int:
    return session.registry.pin(act.pipeline, actor=act.actor, reason=act.reason, expect=act.expect).version


def _unpin(session: Session, act: Act) -> int:
    return session.registry.unpin(act.pipeline, actor=act.actor, reason=act.reason).version


def _publish(session: Session, act: Act) -> int:
    from mlcore.runtime.release.following import level

    config = find_pipeline(task_settings().pipelines, act.pipeline)
    behind = [f"{one.place}: {one.error}" for one in level(session, config) if one.error]
    if behind:
        raise DestinationError(
            "not level with the registry yet: " + "; ".join(behind), next_step="see why, and trigger this again"
        )
    return session.registry.find(act.pipeline).version


def _approve(session: Session, act: Act) -> int:
    return _decide(session, act, approved=True)


def _reject(session: Session, act: Act) -> int:
    return _decide(session, act, approved=False)


def _decide(session: Session, act: Act, *, approved: bool) -> int:
    from mlcore.runtime.release.approval import decide

    push = decide(
        session,
        act.pipeline,
        act.version or 0,
        approved=approved,
        actor=act.actor,
        reason=act.reason,
        origin=act.origin,
    )
    _LOG.info("%s: %s", push.outcome.value, push.reason)
    return push.version


@dataclass(frozen=True, kw_only=True, slots=True)
class _Action:
    """One of them.

    Attributes:
        doc: What the DAG's page says.
        run: Does it, and tells the version that it was done to.
        version: Whether the form asks for one: it must be given, may be, or is not asked for.
        expect: Whether the form asks where the champion is believed to be.
    """

    doc: str
    run: Callable[[Session, Act], int]
    version: bool | None = None
    expect: bool = False


ACTIONS = {
    "promote": _Action(
        doc="Make a registered version the champion by name, also over one that was trained on newer data.",
        run=_promote,
        version=True,
        expect=True,
    ),
    "rollback": _Action(
        doc="Make the previous champion, or an earlier one, the champion again. What is rolled back from is not"
        " promoted again by itself.",
        run=_rollback,
        version=False,
        expect=True,
    ),
    "pin": _Action(
        doc="Keep the champion where it is: runs go on, their pushes are recorded and withheld.", run=_pin, expect=True
    ),
    "unpin": _Action(doc="Let the champion be replaced again; the next push may do so.", run=_unpin),
    "approve": _Action(
        doc="Say yes to a version that waits for approval, which becomes the champion.", run=_approve, version=True
    ),
    "reject": _Action(doc="Say no to a version that waits for approval.", run=_reject, version=True),
    "publish": _Action(
        doc="Bring the push destinations of a pipeline level with the registry. Every move of an alias does so by"
        " itself; this does it again where one could not be reached.",
        run=_publish,
    ),
}
GC_DAG = f"{ACTION_PREFIX}gc_dry_run"
_GC_DOC = "Show in the task's log what `mlcore gc --yes` would remove. Nothing is removed."


def build_registry_dags() -> dict[str, DAG]:
    """The DAGs ``models_<action>`` and ``models_gc_dry_run``.

    Called at the top level of a DAG file it also registers them with Airflow.
    """
    names = list(pipeline_names(Settings.from_environ(os.environ).pipelines))
    dags = [_dag(f"{ACTION_PREFIX}{name}", action.doc, _params(action, names)) for name, action in ACTIONS.items()]
    for dag, name in zip(dags, ACTIONS, strict=True):
        with dag:  # which is also what makes Airflow see it
            RegistryOperator(task_id=name, action=name)
    collecting = _dag(GC_DAG, _GC_DOC, {})
    with collecting:
        GarbageOperator(task_id="gc_dry_run")
    return {dag.dag_id: dag for dag in (*dags, collecting)}


def _dag(dag_id: str, doc: str, params: Mapping[str, Param]) -> DAG:
    return DAG(
        dag_id,
        schedule=None,
        description=doc.split(". ")[0],
        doc_md=doc,
        params=dict(params),
        tags=[TAG, "registry"],
        # An act is done once: what failed is looked at before it is tried again.
        default_args={"retries": 0, "owner": "mlcore", "execution_timeout": timedelta(hours=1)},
    )


def _params(action: _Action, pipelines: list[str]) -> dict[str, Param]:
    known: dict[str, Any] = {"enum": pipelines} if pipelines else {}
    params = {"pipeline": Param(type="string", title="Pipeline", description="Whose models.", **known)}
    if action.version is True:
        params["version"] = Param(
            type="integer", minimum=1, title="Version", description="By its number, as mlcore models list shows it."
        )
    elif action.version is False:
        params["version"] = Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Version",
            description="An earlier champion, by its number. Empty: the one before the present one.",
        )
    params["reason"] = Param(
        type="string", minLength=1, maxLength=500, title="Reason", description="Kept for good, with your name."
    )
    if action.expect:
        params["expect"] = Param(
            None,
            type=["null", "integer"],
            minimum=0,
            title="Champion now",
            description="The version that you take for the champion: if it is another by then, nothing is done. Empty:"
            " whichever it is.",
        )
    return params


class RegistryOperator(BaseOperator):  # type: ignore[misc] # Airflow is untyped to mypy
    """Does one action in the name of the user who triggered the run; returns the version it was done to."""

    def __init__(self, *, action: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.action = action

    def execute(self, context: Context) -> int:
        """Do it, or fail with what, where and what next."""
        from mlcore.runtime.session import open_session

        act = _act(context)
        with _failing(), open_session(task_settings()) as session:
            version = ACTIONS[self.action].run(session, act)
            if self.action != "publish":
                _follow(session, act.pipeline, airflow_run(context))
        _LOG.info("%s of %s by %s: version %d", self.action, act.pipeline, act.actor, version)
        return version


def _follow(session: Session, pipeline: str, run: AirflowRun) -> None:
    """Bring what follows the aliases level; what is done is done, whatever comes of that."""
    from mlcore.airflow.links import page_of
    from mlcore.runtime.release.following import level_after
    from mlcore.runtime.release.telling import Occasion

    try:
        config = find_pipeline(task_settings().pipelines, pipeline)
    except MlcoreError as error:
        _LOG.warning("done, and not published: %s", error)
        return
    level_after(session, config, Occasion(run=run.run_id, look_at=page_of(run)))


class GarbageOperator(BaseOperator):  # type: ignore[misc] # Airflow is untyped to mypy
    """Says what could be removed; returns how many folders and files that are."""

    def execute(self, context: Context) -> int:
        """Look, and change nothing."""
        from mlcore.runtime.gc import collect
        from mlcore.runtime.retention import expire_all
        from mlcore.runtime.session import open_session

        settings = task_settings()
        with _failing(), open_session(settings) as session:
            stores = (session.artifacts, session.metadata)
            found = [
                *expire_all(*stores, settings.pipelines, dry_run=True),
                *collect(*stores, dry_run=True, scratch=session.scratch, working=session.working),
            ]
        for one in found[:_SHOWN]:
            _LOG.info("would remove %s (%d bytes): %s", one.uri, one.size_bytes, one.reason)
        _LOG.info("%d folders and files, %d bytes in all", len(found), sum(one.size_bytes for one in found))
        return len(found)


@contextmanager
def _failing() -> Iterator[None]:
    """Our errors fail the task for good, with what, where and what next: there is nothing to skip or to wait for."""
    try:
        yield
    except MlcoreError as error:
        raise AirflowFailException(str(error)) from error


def _act(context: Context) -> Act:
    params, run = context["params"], airflow_run(context)
    user = context["dag_run"].triggering_user_name
    return Act(
        pipeline=params["pipeline"],
        actor=user or f"Airflow run {run.run_id}",
        reason=params["reason"],
        version=params.get("version"),
        expect=params.get("expect"),
        origin=run.origin,
    )
