"""Deployment: whether a model works in a process of its own, whether it may be pushed, and how it travels.

requests.build_requests, hard_requests   a sample of rows and the edges: nothing known, nothing seen, extremes
infra.validate_infra                     loads and asks the model in a fresh process, within limits
probe, serving_only                      that process, and what it may not import
push.decide_push                         blessings to a decision
archive.pack, unpack                     a version as one file, and what of a file from elsewhere is refused
destinations                             folders, buckets and others that follow the registry's aliases
"""
