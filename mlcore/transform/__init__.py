"""Transform: analyzers over spans, and the TransformGraph that training fits and serving runs.

specs.specs_of             the pipeline file's features as chains of steps (steps), checked
analysis, state.analyze    what fitted steps need to know of the training rows: once per need, a span at a time
state.merge_states, spans.analyze_spans   the same of many spans
fitting.fit                constants of every step, from the merged state; no row is read again
graph.TransformGraph       rows to a matrix, the same bits for one row as for a million (chain runs the steps)
transformer.GraphTransformer   the graph as a scikit-learn transformer
functions.row_function     marks a project's own function as one that features may be made by
describe                   features for people
mappers/, analyzers/       one file each; adding one is adding a file
"""
