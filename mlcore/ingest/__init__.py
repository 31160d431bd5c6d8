"""Source files to Examples: one span in, one typed, checked, labelled Parquet file out.

- ``paths``: which file holds a span.
- ``sources``: the readers by source type; a new kind of source is one module that registers a reader.
- ``file_reader``: a span's file in any format; ``formats``: each of them, a block at a time.
- ``blocks``: typed rows and bad rows, each with its place; ``quarantine``: what becomes of the bad ones.
- ``tables``: any file without a pipeline, its types inferred.
- ``checks``: what every span must hold, whatever it was read from.
- ``labels``: the label column.
- ``examples``: the Parquet file of an Examples artifact.
- ``spans``: many spans at once.
"""
