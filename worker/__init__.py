"""The workers, which compute with torch."""
