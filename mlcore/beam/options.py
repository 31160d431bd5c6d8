"""How jobs run: the runner is always named."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions


def local_options() -> PipelineOptions:
    """In this process, without threads of its own: the portable runner's semantics at the least cost.

    Beam's default would try to download a runner first.
    """
    from apache_beam.options.pipeline_options import PipelineOptions

    return PipelineOptions(["--runner=FnApiRunner", "--direct_running_mode=in_memory"])
