"""The command line: one command a file, over the client or the database."""
