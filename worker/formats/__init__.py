"""Bytes to `Network` or samples: an upload is data, never code.

See docs/security.md, "Rules for archives" and "Rules for data".
"""
