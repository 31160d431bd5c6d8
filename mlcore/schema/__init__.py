"""What the data should look like, and in which ways it does not.

- ``summary``: the few numbers of a dataset that a schema is inferred from and checked against.
- ``schema``: the schema itself, and its file.
- ``infer``: a first schema from data that is taken to be good.
- ``anomalies``: one kind of fault in one feature, and the file of a list of them.
- ``validate``: the anomalies of a dataset.
"""
