"""Models: trained networks, as `torch.export` archives."""
