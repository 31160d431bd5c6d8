"""A small project of one's own for every test."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.project import Project, make_project


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """The pipeline ``tiny`` with fourteen days of data, a database and an artifact store."""
    return make_project(tmp_path / "project", database_url)
