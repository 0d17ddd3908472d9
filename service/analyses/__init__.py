"""Analyses: which layers of a model are bottlenecks."""
