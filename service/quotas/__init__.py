"""Quotas: how much an owner may have, and how often a key may ask."""
