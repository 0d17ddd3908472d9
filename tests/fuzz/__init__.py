"""Mutants of models and of data: each must be read or refused, whatever comes.

`python -m tests.fuzz` makes many; the tests of CI make a few, with fixed seeds and a random one.
"""
