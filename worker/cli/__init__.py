"""The commands that need torch: `narrows worker`, `narrows export`."""
