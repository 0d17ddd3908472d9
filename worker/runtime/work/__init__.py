"""The kinds of work: what each loads, and what it commits."""
