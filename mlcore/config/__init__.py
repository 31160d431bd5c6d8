"""Pydantic models of the YAML files and the settings of an installation."""
