"""Statistics as one HTML page that needs no network.

model     what the page shows, as plain values
html      the page: ``page.html`` with ``page.css``, ``page.js`` and the values inside
"""
