"""The pages that people look at: rendered here, with one cookie, and nothing from elsewhere."""
