"""The kinds of work: what each of them loads and commits."""
