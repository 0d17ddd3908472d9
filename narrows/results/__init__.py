"""The results of an analysis for people and for JSON: rows, and a table."""
