"""Second-order structured pruning as a library; knows torch, numpy and scipy and nothing else."""
