"""The report of an analysis: one page of HTML, Markdown, and figures as SVG; see `report.py`."""
