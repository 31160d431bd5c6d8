"""A small project of one's own for every test: as it was made, or after its first runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import make_url
from support.databases import clone, drop
from support.forks import ForkedProbe
from support.project import LATER, Project, make_project

from mlcore.deployment import infra


@pytest.fixture(scope="module", autouse=True)
def _forked_probes() -> Iterator[None]:
    """InfraValidator's process is a fork here; what ``mlcore`` runs, and the tests of InfraValidator, start it anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(infra, "_start", ForkedProbe)
        yield


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """The pipeline ``tiny`` with fourteen days of data, a database and an artifact store."""
    return make_project(tmp_path / "project", database_url)


@dataclass(frozen=True)
class Kept:
    """A project after some runs: its files kept in ``copy``, its tables in a database to clone."""

    project: Project
    copy: Path
    database: str

    @property
    def live(self) -> Path:
        return self.project.folder.parent

    @contextmanager
    def restored(self, server: str) -> Iterator[Project]:
        """The project as it was kept.

        Paths are part of what is recorded of files: they are the same for every test, one after the other.
        """
        shutil.rmtree(self.live)
        shutil.copytree(self.copy, self.live)
        url = clone(server, self.database)
        try:
            yield Project(replace(self.project.settings, database_url=url))
        finally:
            drop(server, url)


def keep(project: Project, url: str) -> Kept:
    """The project as it is now, whose database nobody uses any more."""
    live = project.folder.parent
    database = make_url(url).database
    assert database is not None
    copy = live.with_name(f"{live.name}-{database}")
    shutil.copytree(live, copy)
    return Kept(project=project, copy=copy, database=database)


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, template_database: str) -> Kept:
    """The first run of ``tiny``, which many tests start from: made once."""
    url = clone(postgres_url, template_database)
    project = make_project(tmp_path_factory.mktemp("runs") / "live" / "project", url)
    project.run()
    return keep(project, url)


@pytest.fixture(scope="session")
def second_run(first_run: Kept, postgres_url: str) -> Kept:
    """The first run and that of the day after."""
    with first_run.restored(postgres_url) as project:
        project.run(LATER, name="later")
        assert project.settings.database_url is not None
        url = clone(postgres_url, str(make_url(project.settings.database_url).database))
        return keep(first_run.project, url)


@pytest.fixture
def ran(first_run: Kept, postgres_url: str) -> Iterator[Project]:
    """The project after the run ``r``, as :func:`project` would be after ``run()``."""
    with first_run.restored(postgres_url) as project:
        yield project


@pytest.fixture
def ran_twice(second_run: Kept, postgres_url: str) -> Iterator[Project]:
    """The project after the run ``r``, and the run ``later`` as of ``LATER``."""
    with second_run.restored(postgres_url) as project:
        yield project
