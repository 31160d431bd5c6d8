"""Apache Beam: pipeline options, files, jobs. It combines any accumulator and converts any rows, and knows none."""
