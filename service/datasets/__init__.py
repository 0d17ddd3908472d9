"""Datasets: the samples on which a network is judged."""
