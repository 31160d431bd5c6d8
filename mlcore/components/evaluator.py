"""A model on rows that come after those it was trained on, beside the champion of its time; and the gates' verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mlcore.components.base import Component, Inputs, Known, Outputs
from mlcore.components.model_selector import model_key
from mlcore.components.trainer import covered
from mlcore.config.candidates import DUMMY
from mlcore.core.types import ArtifactType, Json
from mlcore.core.window import iso

if TYPE_CHECKING:
    from mlcore.components.scoring import Judged
    from mlcore.evaluation.files import Judgement
    from mlcore.evaluation.rows import About
    from mlcore.evaluation.sample import Floats

GATE = "evaluation"


class Evaluator(Component):
    """Measures the model with intervals, overall and by slice, and compares it with the champion on the same rows.

    Where there is no champion it is compared with the prediction that is the same for every row. Where it was chosen
    among candidates, the others are measured too; that decides nothing.

    Attributes:
        earlier_tests: How many challengers of other windows were tested against this champion before. The
            more there were, the surer a criterion of superiority must be.
    """

    inputs = {
        "examples": ArtifactType.EXAMPLES,
        "training": ArtifactType.EXAMPLES,
        "model": ArtifactType.MODEL,
        "baseline": ArtifactType.MODEL,
        "selection": ArtifactType.SELECTION,
    }
    outputs = {"evaluation": ArtifactType.EVALUATION, "blessing": ArtifactType.BLESSING}
    code = (
        "evaluation",
        "accumulators",
        "training",
        "transform",
        "components.scoring",
        "components.importance",
        "ingest.examples",
    )
    libraries = ("scikit-learn", "numpy", "scipy", "pyarrow")
    earlier_tests: int = 0

    def learn(self, known: Known) -> None:
        self.earlier_tests = known.earlier_tests

    @property
    def parameters(self) -> Mapping[str, Json]:
        data = self.config.data
        return {
            "evaluation": self.config.evaluation.model_dump(mode="json"),
            "label": data.label.name,
            "task": data.task,
            "key": list(data.key),
            "event_timestamp": data.event_timestamp,
            "without": list(self.without),
            "earlier_tests": self.earlier_tests,
            "own_metrics": own_metrics(self.config.evaluation.metrics),
            **({"candidates": list(self.config.models)} if self.config.models else {}),
        }

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.evaluation.blessing import Blessing, write_blessing
        from mlcore.evaluation.files import write
        from mlcore.evaluation.metrics import find_metric

        model, baseline = inputs.one("model"), inputs.optional("baseline")
        judgement = self._judge(inputs)
        verdict, overall = judgement.verdict, judgement.evaluation.overall
        assert verdict is not None
        write(outputs["evaluation"].path, judgement)
        blessing = Blessing(
            model_digest=model.artifact.digest, gate=GATE, blessed=verdict.blessed, reasons=verdict.reasons
        )
        write_blessing(outputs["blessing"].path, blessing)
        first = find_metric(self.config.evaluation.metrics_of(self.config.data.task)[0]).spec
        value = overall.metrics.get(first)
        window = covered(inputs["examples"])
        outputs["evaluation"].properties.update(
            headline=f"{first} {value}" if value else f"{first} unknown",
            rows=overall.rows,
            start=iso(window.start),
            end=iso(window.end),
            without=list(self.without),
            baseline=None if baseline is None else baseline.artifact.id,
            **({} if judgement.candidates is None else {"candidate": judgement.candidates.choice.chosen}),
        )
        outputs["blessing"].properties.update(gate=GATE, blessed=verdict.blessed, reasons=list(verdict.reasons))

    def _judge(self, inputs: Inputs) -> Judgement:
        from mlcore.components.importance import measured_importances
        from mlcore.components.scoring import about, read_judged, score
        from mlcore.evaluation.judge import judge, with_importances

        model, baseline = inputs.one("model"), inputs.optional("baseline")
        judged = read_judged(self.config, inputs.paths("examples"))
        known = about(self.config, judged, model.path)
        scores = score(model.path, judged.rows)
        others = self._constant(inputs, judged, known) if baseline is None else score(baseline.path, judged.rows)
        judgement = judge(
            judged.labels,
            scores,
            others,
            columns=judged.rows,
            config=self.config.evaluation,
            is_champion=baseline is not None,
            earlier_tests=self.earlier_tests,
            **known,
        )
        if "selection" in inputs:
            judgement = self._among_candidates(judgement, inputs, judged, known, scores)
        return with_importances(judgement, measured_importances(self.config, judged, known, model.path))

    def _constant(self, inputs: Inputs, judged: Judged, known: About) -> Floats:
        """The prediction that is the same for every row."""
        from mlcore.evaluation.dummy import dummy_scores
        from mlcore.evaluation.task import Task
        from mlcore.ingest.examples import read_examples

        label = self.config.data.label.name
        trained = read_examples(inputs.paths("training"), [label])[label]
        task, classes = known.get("task", Task.BINARY), known.get("classes", ())
        return dummy_scores(trained, judged.rows.num_rows, task=task, classes=classes)

    def _among_candidates(
        self, judgement: Judgement, inputs: Inputs, judged: Judged, known: About, scores: Floats
    ) -> Judgement:
        """The judgement with what became of all candidates, and blocked where a constant prediction is as good."""
        from mlcore.components.scoring import score
        from mlcore.evaluation.candidates import Candidates, read_choice, with_choice
        from mlcore.evaluation.selection import measure_candidates

        choice = read_choice(inputs.one("selection").path)
        of_all = {
            name: scores if name == choice.chosen else score(inputs.one(model_key(name)).path, judged.rows)
            for name in self.config.models
        }
        evaluated = measure_candidates(
            judged.labels,
            {**of_all, DUMMY: self._constant(inputs, judged, known)},
            chosen=choice.chosen,
            metric=choice.metric,
            columns=judged.rows,
            config=self.config.evaluation,
            **known,
        )
        assert judgement.verdict is not None
        return replace(
            judgement,
            verdict=with_choice(judgement.verdict, choice),
            candidates=Candidates(choice=choice, evaluated=evaluated),
        )

    def summary(self, outputs: Inputs) -> str:
        blessed = outputs.one("blessing").artifact.properties["blessed"]
        return f"{outputs.one('evaluation').artifact.properties['headline']}, {'blessed' if blessed else 'not blessed'}"


def own_metrics(names: Sequence[str]) -> dict[str, Json]:
    """Digests of the source of those metrics that are a project's own."""
    from mlcore.evaluation.metrics import UserMetric, find_metric

    return {metric.name: metric.source_digest for metric in map(find_metric, names) if isinstance(metric, UserMetric)}
