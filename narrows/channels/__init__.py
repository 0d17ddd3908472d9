"""Channel groups: the channels of all layers that can only be removed, or added, together."""
