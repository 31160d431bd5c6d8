"""Imports what tasks need before a Celery worker forks them, so that no task pays for it; Airflow reads this first."""

import sys

if sys.argv[1:3] == ["celery", "worker"]:
    from mlcore.platform.forking import import_task_modules

    import_task_modules()
