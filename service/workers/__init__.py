"""The list of workers and their current work."""
