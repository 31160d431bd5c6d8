"""Predictions for rows whose outcome nobody knows yet: a released model, the rows, and where what it says goes.

Above ingestion, transform and training, which it puts together; below the components and the servers, which use it.
"""
