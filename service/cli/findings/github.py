"""GitHub's workflow commands: findings that appear at a file of the pull request.

See docs.github.com, "Workflow commands for GitHub Actions".
"""

from pathlib import Path

from service.cli.findings.finding import Finding

COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def annotation(finding: Finding, source: Path) -> str:
    """Return the command that annotates the first line of the file `source`."""
    title = f"{finding.verdict}: {finding.layer}"
    place = f"file={_property(source.as_posix())},line=1,title={_property(title)}"
    return f"::{COMMANDS[finding.level]} {place}::{_data(finding.text)}"


def _data(text: str) -> str:
    r"""Return text that can't end a command, or begin another one.

    >>> _data("100%\n::error::")
    '100%25%0A::error::'
    """
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
