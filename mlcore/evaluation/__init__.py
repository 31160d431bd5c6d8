"""Evaluation: metrics with honest intervals, overall and by slice, and gates that read the intervals.

metrics/    one file a metric; adding one is adding a file
evaluate.evaluate   values of one model, by slice
compare.compare     differences of two models on the same rows
gates.decide        criteria, evaluation and comparison to a verdict in words
files, blessing     what is written of them
"""
