"""Imports what forks will need before there are any, so that none of them pays for it; Airflow reads this first."""

import sys

if sys.argv[1:3] == ["celery", "worker"]:
    from mlcore.platform.forking import import_task_modules

    import_task_modules()
elif sys.argv[1:2] == ["dag-processor"]:
    from mlcore.platform.forking import import_dag_modules

    import_dag_modules()
