"""Plans for other widths: what to change, and what that costs."""
