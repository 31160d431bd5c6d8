"""What the Airflow UI says about a pipeline's DAGs, in Markdown from its YAML."""

from __future__ import annotations

from mlcore.config.inference import Destination, ParquetDestination
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.window import in_words


def retraining_doc(config: PipelineConfig) -> str:
    """``doc_md`` of ``<name>``."""
    train, evaluation = in_words(config.window.train), config.window.eval
    judged = f"the {in_words(evaluation)} after them" if evaluation else "other rows of them"
    return f"""\
### {_plain(config.name)}

{_plain(config.description) or "Retrains, evaluates, gates and pushes one model."}

**For** {_plain(config.owner) or "nobody named"} · **schedule** `{config.schedule}` UTC, and whenever \
`{config.name}_monitor` asks · {_models(config)}

A run as of *T* trains on {train} and evaluates on {judged}, all known at *T* with their \
labels. *T* is the end of the run's data interval; a manual run may name another (`as_of`). \
A gate that says no means that nothing is pushed; the run is green. Work that was done before is not done again.

**Where to look**

| for | look at |
|---|---|
| numbers, gates, champion | `mlcore runs show`, `mlcore models show {config.name}` |
| drift reports | the tab *Drift reports* of this DAG and of each of its runs |
| why a run failed | the alert, or the log of the first red task: its last lines say what, where and what next |
| the configuration | `config/pipelines/{config.name}.yaml` |
| past weeks | `airflow backfill create --dag-id {config.name} --from-date 2013-03-04 --to-date 2013-04-29` \
(dates are those on which intervals start, both included) |
| the same run without Airflow | `mlcore run {config.name} --at 2013-03-11T06:00Z` |
"""


def monitor_doc(config: PipelineConfig) -> str:
    """``doc_md`` of ``<name>_monitor``."""
    return f"""\
### {_plain(config.name)}_monitor

Compares what arrives with what the champion of `{config.name}` was trained on, measures it on labels that have \
arrived, and writes a drift report. Where the pipeline's policy asks for a new model it starts exactly one run of \
`{config.name}`, which carries the report's id and the reason. A backfilled run reports, and starts nothing. \
Before there is a champion it skips.

**For** {_plain(config.owner) or "nobody named"} · **reports** in the tab *Drift reports* of each run · \
**policy** `monitor` in `config/pipelines/{config.name}.yaml` · **without Airflow** \
`mlcore monitor {config.name} --at 2013-03-11T07:00Z`
"""


def inference_doc(config: PipelineConfig) -> str:
    """``doc_md`` of ``<name>_inference``."""
    asked = config.inference
    window = config.data.span if asked is None or asked.window is None else asked.window
    places = [_place(one) for one in asked.destinations] if asked else []
    return f"""\
### {_plain(config.name)}_inference

Predicts the newest {in_words(window)} that have ended with the champion of `{config.name}`: a span once for every \
content it has and every model. The predictions are in the artifact store, linked to the model and the rows they \
were made of{"".join(f", and in {place}" for place in places)}. A run done again leaves the same rows. A backfilled \
run predicts with the champion of its time, and leaves alone what a run of a later moment delivered of a span. Before \
there is a champion it skips.{_BESIDE if config.push.rollout else ""}

**For** {_plain(config.owner) or "nobody named"} · **configuration** `inference` in \
`config/pipelines/{config.name}.yaml` · **without Airflow** `mlcore infer {config.name} --at 2013-03-11T06:00Z`
"""


_BESIDE = " A challenger predicts after it, for the comparison in the tab *Challenge* alone: that is delivered nowhere."


def _place(one: Destination) -> str:
    return f"the files {_plain(one.path)}" if isinstance(one, ParquetDestination) else f"the table {_plain(one.table)}"


def _models(config: PipelineConfig) -> str:
    if not config.models:
        return f"**model** `{config.model.estimator}`"
    each = ", ".join(f"{name} `{candidate.estimator}`" for name, candidate in config.models.items())
    return f"**models** {each}, of which each run chooses one"


def _plain(text: str) -> str:
    """One line that Markdown shows as it is written."""
    line = " ".join(text.split())
    return "".join(f"\\{character}" if character in "\\`*_[]<>#|!" else character for character in line)
