"""Gates: a factor of one on every channel of every structure, placed on activations."""
