"""Verdicts on layers: bottleneck, suspected, balanced or redundant, with confidence intervals."""
