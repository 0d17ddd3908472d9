"""`python -m service.openapi [--check]`: writes or checks all that follows from the API.

That is `openapi.json`; the types and resources of the client, from it; and the client that blocks,
from the asynchronous one.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from service.openapi import resources, synchronous, types
from service.openapi.document import document, render
from service.openapi.formatting import formatted

CLIENT = Path("narrows/client")


def files() -> Iterator[tuple[Path, str]]:
    """Yield each generated file with its text."""
    described = document()
    yield Path("openapi.json"), render(described)
    yield CLIENT / "types.py", formatted(types.module(described))
    made = formatted(resources.module(described))
    yield CLIENT / "asynchronous/resources.py", made
    for source in sorted((CLIENT / "asynchronous").glob("*.py")):
        if source.name not in {"__init__.py", "runtime.py"}:
            text = made if source.name == "resources.py" else source.read_text()
            yield CLIENT / "synchronous" / source.name, formatted(synchronous.twin(text))


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` return 1 when one is out of date."""
    outdated = [
        (path, text) for path, text in files() if not path.exists() or path.read_text() != text
    ]
    for path, text in outdated:
        if "--check" in arguments:
            sys.stderr.write(f"{path} is out of date: run `python -m service.openapi`\n")
        else:
            path.write_text(text)
    return 1 if outdated and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
