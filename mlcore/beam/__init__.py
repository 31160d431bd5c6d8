"""Apache Beam: pipeline options, sources, sinks. It combines any accumulator and knows none."""
