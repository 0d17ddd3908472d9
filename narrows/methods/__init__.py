"""The criteria: what each measures on a batch, and the order of removal that follows."""
