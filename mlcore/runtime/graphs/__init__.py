"""The graphs of a pipeline: which component reads what. The local runner and Airflow walk the same graphs.

Building one imports no heavy library.
"""
