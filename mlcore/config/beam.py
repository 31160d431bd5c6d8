"""``beam``: where the heavy jobs run, and what all pipelines of a project share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlcore.config.fields import Section
from mlcore.config.lineage import Lineage
from mlcore.config.retention import Retention
from mlcore.config.tracking import Tracking

BeamValue = bool | int | float | str


class Beam(Section):
    """Where the heavy jobs run: statistics and transform analysis of new spans. The results are the same everywhere.

    ``options`` are Beam's own, by their names without the dashes.
    """

    runner: Literal["FnApiRunner", "FlinkRunner", "SparkRunner", "DataflowRunner", "PortableRunner"] = "FnApiRunner"
    options: dict[str, BeamValue | tuple[BeamValue, ...]] = Field(default_factory=dict)


class PlatformConfig(Section):
    """What all pipelines of a project share: ``config/platform.yaml``, which need not be there."""

    beam: Beam = Beam()
    retention: Retention | None = None
    tracking: Tracking = Tracking()
    lineage: Lineage | None = None
