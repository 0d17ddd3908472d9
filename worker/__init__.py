"""The computing side: torch lives here."""
