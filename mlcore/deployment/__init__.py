"""Deployment: whether a model works in a process of its own, and whether it may be pushed.

requests.build_requests   a sample of rows and the edges: nothing known, nothing seen before
infra.validate_infra      loads and asks the model in a fresh process, within limits
probe                     that process
push.decide_push          blessings to a decision
"""
