"""Makes generated Python look as if written by hand."""

import subprocess
import sys
import textwrap

WIDTH = 100


def formatted(text: str) -> str:
    """Return a module in the house's format: imports in order, none that nothing needs."""
    for arguments in ("check --fix-only --quiet --select I,F401", "format"):
        ruff = [sys.executable, "-m", "ruff", *arguments.split()]
        command = [*ruff, "--stdin-filename", "narrows/_.py", "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)  # noqa: S603
        text = done.stdout
    return text


def docstring(text: str, indent: int = 4) -> str:
    """Return the lines of a docstring; none for no text."""
    if not text:
        return ""
    pad = " " * indent
    paragraphs = [
        textwrap.fill(" ".join(part.split()), WIDTH - 6, initial_indent=pad, subsequent_indent=pad)
        for part in text.replace("\\", "\\\\").strip().split("\n\n")
    ]
    body = "\n\n".join(paragraphs)
    body += "" if body.endswith((".", "…")) else "."
    end = f"\n{pad}" if "\n" in body else ""
    return f'{pad}"""{body.removeprefix(pad)}{end}"""\n'
