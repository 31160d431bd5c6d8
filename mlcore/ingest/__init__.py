"""Source files to Examples: one span in, one typed, checked, labelled Parquet file out.

- ``paths``: which file holds a span.
- ``sources``: the readers by source type; a new kind of source is one module that registers a reader.
- ``csv_reader``, ``csv_faults``, ``compression``: reading CSV, and saying which line is wrong.
- ``checks``: what every span must hold, whatever it was read from.
- ``labels``: the label column.
- ``examples``: the Parquet file of an Examples artifact.
- ``spans``: many spans at once.
"""
