import subprocess
import sys
from importlib.metadata import EntryPoint, version

import pytest
from typer.testing import CliRunner

from service.cli.commands import _load, app
from service.cli.errors import CommandError

COMMANDS = [
    *(
        [name]
        for name in (
            *(
                "demo",
                "up",
                "upload",
                "analyze",
                "show",
                "follow-up",
                "plan",
                "build",
                "analyses",
                "cancel",
                "inspect",
                "workers",
                "usage",
            ),
            *("api", "migrate", "gc", "retention", "export", "worker"),
        )
    ),
    *(["keys", name] for name in ("create", "list", "revoke")),
    ["owners", "limit"],
]


@pytest.mark.parametrize("command", [[], *COMMANDS], ids=" ".join)
def test_every_command_shows_an_example(command: list[str]) -> None:
    answer = CliRunner().invoke(app, [*command, "--help"])
    assert answer.exit_code == 0
    assert f"narrows {' '.join(command)}".strip() in answer.output.partition("Example:")[2]


def test_help_waits_for_no_heavy_import() -> None:
    check = """
import sys, service.cli.commands
sys.exit(", ".join({"torch", "fastapi", "sqlalchemy", "alembic"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.stderr.strip() == ""


def test_a_command_that_can_not_be_loaded_says_so() -> None:
    command = _load(EntryPoint("export", "worker.nowhere:export", "narrows.commands"))
    with pytest.raises(CommandError, match=r"narrows export.*No module named 'worker.nowhere'"):
        command()


def test_the_version() -> None:
    answer = CliRunner().invoke(app, ["--version"])
    assert (answer.exit_code, answer.output) == (0, f"narrows {version('narrows')}\n")
