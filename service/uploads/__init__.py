"""Uploaded files: what models and datasets share."""
