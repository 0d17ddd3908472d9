"""Uploaded files: the common part of models and datasets."""
