"""Tracking: our runs and model versions in the words and files of MLflow.

records.TrackedRun     what MLflow should hold of a run: parameters, metrics, tags, data sets, files
mapping.tracked_runs   executions and artifacts to those
metrics                the numbers of evaluations, searches and drift reports by name and step
flavour.write_flavour  a model in MLflow's format: signature, example, environment, and what loads it
server.MlflowServer    an MLflow server: reads and writes those, every write may be repeated

Our own store is the truth. Nothing here is read back, except to compare.
"""
