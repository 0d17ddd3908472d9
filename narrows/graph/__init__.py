"""The network: a straight-line program of ATen operators, and how to run and write it."""
