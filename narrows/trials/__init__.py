"""Trials: train what plans build, and say what was gained."""
