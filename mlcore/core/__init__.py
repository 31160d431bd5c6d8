"""The platform's words as frozen values: windows, artifacts, executions, digests."""
