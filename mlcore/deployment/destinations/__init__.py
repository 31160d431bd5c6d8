"""Where released models are shown beside the registry: folders, buckets and what projects write themselves.

The registry is the truth and a move of an alias in it the only commit point. A destination follows: what it must show
is a function of the registry's aliases, so it can be brought level at any time, from whatever state a failure left.
"""
