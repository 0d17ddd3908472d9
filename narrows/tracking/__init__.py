"""What a history of experiments keeps of analyses and trials."""
