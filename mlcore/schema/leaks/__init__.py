"""Leaks that rows show and no statistic does: what a model would learn from and not have when it is asked.

rows.LeakRows      rows of both sides of the split, and what is known of their columns
find.leaks         all that is found
told               how much of the label one column tells, on rows it was not learnt from
shifted            the label of the row before or after
target             a mean of the label, made of the rows that are to be predicted
twins              rows of one side that are on the other with another key
future             values that came after the event
"""
