"""Plans for other widths: the edits, and the costs before and after."""
