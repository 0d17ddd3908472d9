"""The job runtime: claims work, calls the child, commits results; never imports torch."""
