"""Dual numbers: a value with its derivative along one direction."""
