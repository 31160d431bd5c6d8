"""Statistics of Examples: accumulated once a span, merged for every window.

accumulate  the accumulators of one span
summary     what is extracted from them: counts, moments, quantiles, histograms, top values
files       the payload of a Statistics artifact
spans       many spans in one Beam job
"""
