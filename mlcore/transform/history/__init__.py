"""Columns made of a row's past, by key: ``data.history`` of the pipeline file.

columns.py     what is declared, and :func:`add_history`: rows and past rows to rows with further columns
windows.py     which past rows each row sees
aggregates.py  lag, count, sum, mean, std, min, max of those
exact.py       sums of floats over such windows without rounding, so that no row's bytes depend on its neighbours
"""
