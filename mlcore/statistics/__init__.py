"""Statistics of Examples: accumulated once a span, merged for every window.

accumulate  the accumulators of one span
summary     what is said of a dataset: counts, moments, quantiles, histograms, top values; plain values
extract     accumulators to a summary
files       the payload of a Statistics artifact
spans       many spans in one Beam job
"""
