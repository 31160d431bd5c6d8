"""Versions of a model as people handle them: approved, compared, carried to other installations."""
