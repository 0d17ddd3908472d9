"""Limits of connections: how many, how slow, how long, before a request is read."""
