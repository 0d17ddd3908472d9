"""API keys: who may use the API, and for what."""
