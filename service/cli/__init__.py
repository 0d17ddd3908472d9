"""The command line: one command per file, through the client or the database."""
