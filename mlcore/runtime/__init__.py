"""Runs: windows resolved, components launched, outputs published; the local runner."""
