"""Writes the description of the API, and the parts of the client that follow from it."""
