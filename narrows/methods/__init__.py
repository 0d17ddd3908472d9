"""The criteria: what each measures of a batch, and the order of removal that follows."""
