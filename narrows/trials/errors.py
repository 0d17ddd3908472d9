"""The error for a trial that can't be held."""


class TrialError(ValueError):
    """The error for a network, data or plans that can't be tried; the text gives the reason."""
