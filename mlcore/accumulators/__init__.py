"""What is kept of rows that need not be read again: created, added to, merged, extracted from.

``merge(make(A), make(B)) == make(A + B)``, bit for bit and whatever the order, for every accumulator here.
"""
