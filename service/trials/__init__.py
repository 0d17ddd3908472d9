"""Trials: what the networks of plans gain when they are trained."""
