"""The job runtime: claims work, has it computed, writes results; never imports torch."""
