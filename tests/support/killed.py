"""Processes that kill themselves where it hurts: before a component publishes, or inside the transaction."""

from __future__ import annotations

from typing import Literal

from support.project import Project

_KILLER = """
import os, signal
from mlcore.metadata.store import MetadataStore
publish = MetadataStore.publish
def killing(self, results, on_commit=None):
    component = self.execution(results[0].execution_id).component
    if component == {component!r} and {moment!r} == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    def commit(connection):
        if on_commit is not None:
            on_commit(connection)
        if component == {component!r} and {moment!r} == "inside":
            os.kill(os.getpid(), signal.SIGKILL)
    return publish(self, results, commit)
MetadataStore.publish = killing
"""


def killed_in(
    project: Project, component: str, moment: Literal["before", "inside"], *arguments: str, before: str = ""
) -> int:
    """Run the command line until a component has written its files, and has published them or not; its exit code."""
    killer = _KILLER.format(component=component, moment=moment)
    return project.start(*arguments, before=before + killer).wait().returncode
