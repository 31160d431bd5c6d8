"""Who may see a page: Airflow's own answer.

Airflow does not authenticate the apps of plugins. What it offers for that is internal, so it is imported here only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import get_user, requires_access_dag
from fastapi import Depends

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

DagReader = Depends(requires_access_dag(method="GET"))
"""A route with ``{dag_id}`` in its path: 401 without a login, 403 for who may not read that DAG."""

User = Annotated[Any, Depends(get_user)]
"""The logged-in user: 401 without a login."""


def readable_dags(user: BaseUser) -> set[str]:
    """The ids of the DAGs a user may read."""
    dag_ids: set[str] = get_auth_manager().get_authorized_dag_ids(user=user, method="GET")
    return dag_ids
