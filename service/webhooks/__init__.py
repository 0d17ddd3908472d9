"""Webhooks: other services are told when analyses and trials end."""
