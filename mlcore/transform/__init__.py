"""Transform: analyzers over spans, and the TransformGraph that training fits and serving runs.

specs.specs_from_config   the pipeline file's features, checked
state.analyze, merge_states, spans.analyze_spans   what features need to know of the training rows, a span at a time
graph.fit, TransformGraph   frozen constants; rows to a matrix, the same bits for one row as for a million
transformer.GraphTransformer   the graph as a scikit-learn transformer
mappers/   one file a mapper; adding one is adding a file
"""
