"""The metadata store: artifacts, executions and how they hang together, on PostgreSQL."""
