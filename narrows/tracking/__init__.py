"""What a history of experiments keeps of an analysis."""
