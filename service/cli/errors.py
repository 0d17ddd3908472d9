"""How a command ends when it can't do what it was asked."""


class CommandError(Exception):
    """Ends the command with status 1; the text is for the user."""


class TerminatedError(BaseException):
    """SIGTERM came; like KeyboardInterrupt it is nothing that a command should handle."""
