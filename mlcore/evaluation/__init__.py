"""Evaluation: metrics with honest intervals, overall and by slice, and gates that read the intervals.

metrics/    one file a metric; adding one is adding a file
evaluate.evaluate   values of one model, by slice
compare.compare     differences of two models on the same rows
gates.decide        criteria, evaluation and comparison to a verdict in words
judge.judge         all of it for one model of a pipeline
scored              the same for a table of labels and scores, without a pipeline
rows, slices, measure, intervals, resample   rows in one order, cut, measured, and how sure that is
claims, holm, spending, dummy                what gates say, on many slices, again and again, and without a champion
curves, fairness, card/                      what is drawn, gaps between groups, model cards
files, verdict, blessing                     what is written of them
"""
