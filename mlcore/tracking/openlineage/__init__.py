"""OpenLineage: what every execution read and made, in the words and naming of its specification.

ids             the same run's id whenever it is told, in the form that Airflow's own provider gives its runs
names           data sets by the specification's naming: postgres://host:port, file, s3://bucket
facets          its own facets, and ours with their JSON Schemas (docs/reference/openlineage)
contents        what artifacts say of themselves: statistics, models, evaluations, verdicts
events          an execution or an alias move to START, and COMPLETE, FAIL or ABORT
destinations    a file or an HTTP endpoint, to which every event may be sent again

Events are plain JSON. Nothing here is read back, except to compare.
"""
