"""What fault tests measure, printed at the end of a run."""

from collections.abc import Callable

FIGURE = "figure"
"""The name under which a fault test reports what it measured."""

Say = Callable[[str], None]
