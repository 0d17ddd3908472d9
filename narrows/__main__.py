"""The command line: `narrows`, or `python -m narrows`."""

import sys
from importlib.metadata import EntryPoint

from narrows.own_path import without_namesakes


def main() -> None:
    """Run the command line in `service.cli` with the arguments in `sys.argv`."""
    sys.path[:] = without_namesakes(sys.path)
    EntryPoint("narrows", "service.cli.main:main", "console_scripts").load()()


if __name__ == "__main__":
    main()
