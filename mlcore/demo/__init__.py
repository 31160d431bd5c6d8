"""The demonstration's data: every flight out of New York in 2013, as a warehouse would export it day by day."""

from mlcore.demo.flights import lay_out

__all__ = ["lay_out"]
