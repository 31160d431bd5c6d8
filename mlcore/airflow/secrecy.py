"""What Airflow's own logs must not show: it hides what it is told of, and knows nothing of ours."""

from __future__ import annotations

import os

from mlcore.config.pipeline import PipelineConfig
from mlcore.config.settings import Settings
from mlcore.masking import conceal_named, concealed


def task_settings(config: PipelineConfig | None = None) -> Settings:
    """The settings, for a task; from now on its log and its tracebacks hold no secret of its environment.

    Tracebacks are Airflow's to write, and show what a library said before it became an error of ours.

    Args:
        config: The pipeline; what a ``${NAME}`` in its file stands for is hidden as well.
    """
    from airflow.sdk.log import mask_secret

    settings = Settings.from_environ(os.environ)
    if config is not None:
        conceal_named(config.model_dump_json(), os.environ)
    mask_secret(list(concealed()))
    return settings
