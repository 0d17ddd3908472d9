"""Datasets: the samples that a network is analysed on."""
