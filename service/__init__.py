"""The HTTP API, the command line and the database. Never imports torch or worker."""
