"""Verdicts: which layers are bottlenecks, and how sure that is."""
