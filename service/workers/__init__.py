"""Workers: which are there, and what they do."""
