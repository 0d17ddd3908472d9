"""Reads uploads as a `Network` or as samples; their content is data, never code.

See docs/security.md, "Rules for archives" and "Rules for data".
"""
