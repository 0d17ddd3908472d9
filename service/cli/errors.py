"""The exceptions that end a command."""


class CommandError(Exception):
    """Ends the command with status 1; the text is for the user."""


class TerminatedError(BaseException):
    """SIGTERM came. As with KeyboardInterrupt, commands don't handle it as an error."""
