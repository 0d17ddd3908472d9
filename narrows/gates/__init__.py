"""Gates: a factor of one on every channel of every structure, applied to activations."""
