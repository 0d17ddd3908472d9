"""Retention: how long uploads, results and artifacts are kept, and what removes them."""
