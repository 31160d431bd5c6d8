"""The model registry: versions, aliases, approvals and their history."""
