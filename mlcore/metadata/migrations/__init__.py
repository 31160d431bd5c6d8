"""The tables' versions, run by Alembic from inside the package."""
