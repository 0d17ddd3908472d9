"""A zoo of networks that others wrote: which of them Narrows reads, follows and rebuilds."""
