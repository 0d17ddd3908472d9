"""Channel groups: which channels of which layers can only go, or come, together."""
