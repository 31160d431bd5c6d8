"""The task in which a person says whether a new model becomes the champion (``push.approval``)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import Param

from mlcore.airflow.naming import run_name
from mlcore.airflow.operators import airflow_errors, airflow_run, execution_id
from mlcore.airflow.secrecy import task_settings
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import GraphKind
from mlcore.errors import MetadataError
from mlcore.runtime.graphs.graph import FromNode, Node

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mlcore.core.types import Artifact
    from mlcore.runtime.session import Session

_LOG = logging.getLogger(__name__)
_MODEL, _EVALUATION = "model", "evaluation"
_BLESSINGS = ("evaluation_blessing", "infra_blessing")
COMMENT = "comment"


class PushApproval(ApprovalOperator):  # type: ignore[misc] # Airflow is untyped to mypy
    """Asks a person, under *Required Actions*, whether the new model becomes the champion.

    The page says how the model did beside the champion. No answer in time means no. Nobody is asked where a gate said
    no already, or where an answer would change nothing. The answer is a Blessing; the Pusher acts on it, and a no
    leaves the run green: the champion stays.
    """

    def __init__(self, *, config: PipelineConfig, pusher: Node, **kwargs: Any) -> None:
        kwargs.pop("params", None)  # the DAG's, which Airflow adds to every task's: the answer's form has its own
        super().__init__(
            subject=f"Make the new model of {config.name} the champion?",
            body="",  # written when the task runs: there is nothing to say before
            defaults=self.REJECT,
            response_timeout=config.push.approval_timeout,
            params={COMMENT: Param("", type="string", maxLength=500, title="Comment", source="task")},
            **kwargs,
        )
        self.config = config
        self.reads = {
            key: (binding.node, binding.output)
            for key, binding in pusher.inputs.items()
            if isinstance(binding, FromNode)
        }

    def execute(self, context: Context) -> int | None:
        """Ask, unless nobody has to be; the Blessing's id where somebody answered before."""
        from mlcore.runtime.release.approval import needless
        from mlcore.runtime.release.approval_words import in_words
        from mlcore.runtime.session import open_session

        with airflow_errors(), open_session(task_settings(self.config)) as session:
            model, evaluation = (self._read(session, context, key) for key in (_MODEL, _EVALUATION))
            blessings = [self._read(session, context, key) for key in _BLESSINGS]
            force = context["params"].get("force_push") is True
            reason = needless(session, model, evaluation, blessings, force=force)
            if reason:
                _LOG.info("nobody is asked: %s", reason)
                return _answered(session, model)
            self.body = in_words(session, self.config, model, evaluation)
        super().execute(context)  # which raises: the task waits without a worker
        return None

    def execute_complete(self, context: Context, event: dict[str, Any]) -> int | None:
        """Record the answer, or that there was none; the Blessing's id."""
        from mlcore.runtime.release.approval import answer
        from mlcore.runtime.session import open_session

        # Not ApprovalOperator's own: it would skip the Pusher, which is to record what became of the model.
        said = HITLOperator.execute_complete(self, context, event)
        user = said["responded_by_user"]
        run = airflow_run(context)
        with airflow_errors(), open_session(task_settings(self.config)) as session:
            model, evaluation = (self._read(session, context, key) for key in (_MODEL, _EVALUATION))
            try:
                return answer(
                    session,
                    model,
                    evaluation,
                    run=run_name(run.run_id, kind=GraphKind.RETRAINING),
                    approved=user is not None and said["chosen_options"] == [self.APPROVE],
                    actor=_name(user),
                    reason=self._reason(said, timed_out=user is None),
                    origin=run.origin,
                )
            except MetadataError as error:
                earlier = _answered(session, model)
                if earlier is None:
                    raise
                _LOG.warning("this answer counts no more: %s", error)
                return earlier

    def _reason(self, said: dict[str, Any], *, timed_out: bool) -> str:
        if timed_out:
            return f"nobody answered within {self.config.push.approval_timeout}"
        return str((said["params_input"] or {}).get(COMMENT) or "answered in Airflow, without a comment")

    def _read(self, session: Session, context: Context, key: str) -> Artifact:
        node, output = self.reads[key]
        return session.metadata.outputs(execution_id(context, node))[output][0]


def _answered(session: Session, model: Artifact) -> int | None:
    said = session.registry.approval(model.pipeline, model.digest)
    return None if said is None else said.artifact_id


def _name(user: Any) -> str:
    """As Airflow knows them; a time-out has nobody."""
    if user is None:
        return "nobody"
    found = user if isinstance(user, dict) else {"id": getattr(user, "id", ""), "name": getattr(user, "name", "")}
    return str(found.get("name") or found.get("id") or "unknown")
