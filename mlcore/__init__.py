"""Continuous training, validation and gated release of batch-retrained models."""

__version__ = "0.1.0"
