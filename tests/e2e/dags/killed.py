"""A DAG whose task is killed the way the kernel does it when memory runs out."""

import os
import signal

from airflow.sdk import dag, task


@dag(dag_id="killed", schedule=None, tags=["mlcore"])
def killed():
    @task
    def trainer():
        os.kill(os.getpid(), signal.SIGKILL)

    trainer()


killed()
