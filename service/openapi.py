"""The OpenAPI document: `python -m service.openapi [--check]` writes or checks `openapi.json`."""

import json
import sys
from pathlib import Path

from service.app import create_app

FILE = Path("openapi.json")


def render() -> str:
    """Return the text of `openapi.json`."""
    return json.dumps(create_app().openapi(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write `openapi.json`, or with `--check` return 1 when it is out of date."""
    text = render()
    if "--check" in arguments:
        current = FILE.exists() and FILE.read_text() == text
        if not current:
            sys.stderr.write(f"{FILE} is out of date: run `python -m service.openapi`\n")
        return 0 if current else 1
    FILE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
