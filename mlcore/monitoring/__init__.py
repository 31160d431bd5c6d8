"""Whether the data or the champion's quality has moved away from what it was trained on, and what to do about it.

- ``histograms``: days of rows as counts on shared bins.
- ``drift``: our decision per feature, on all rows, against what whole days of the reference show.
- ``decay``: the champion's quality on newly mature labels against its evaluation at push.
- ``decision``: whether to retrain, and why, in words.
- ``sampling``: the same seeded sample for every order of the rows.
- ``report``: the picture: an Evidently report on that sample. Nothing is decided on it.

    drift_report/
    ├── decision.json       retrain or not, the reasons, and the performance compared
    ├── drift.json          every feature's distance, its null and what changed most
    ├── report.json         Evidently's values, what was left out and why; kept for ever
    └── snapshot.json.gz    Evidently's snapshot; HTML is made of it on demand
"""
