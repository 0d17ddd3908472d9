"""Bytes to `Network` or samples, by GATE's rules: an upload is data, never code."""
