"""Links into the documents lead somewhere: from code, and from document to document."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md"))]
TRACKED = subprocess.run(
    ["git", "ls-files", "*.py", "*.yml", "*.toml", "Dockerfile"],
    cwd=ROOT, capture_output=True, text=True, check=True,
).stdout.split()  # fmt: skip
MENTION = re.compile(r"docs/(\w+\.md)((?:(?:,|:| and)\s+\"[^\"\n]+\")*)")
"""A document, and the headings of it that are named behind it."""


def headings(document: Path) -> set[str]:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    return {found.strip() for found in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def mentions(path: Path) -> list[tuple[str, list[str]]]:
    text = re.sub(r"\s*\n\s*(?:#\s*)?", " ", path.read_text())
    return [(name, re.findall(r"\"([^\"]+)\"", more)) for name, more in MENTION.findall(text)]


def test_code_points_to_headings_that_exist() -> None:
    named = [(file, *mention) for file in TRACKED for mention in mentions(ROOT / file)]
    assert len(named) > 40
    broken = [
        f"{file}: docs/{name} {heading!r}"
        for file, name, wanted in named
        for heading in wanted or [""]
        if not (ROOT / "docs" / name).exists()
        or (heading and heading not in headings(ROOT / "docs" / name))
    ]
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_link_to_what_exists(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", document.read_text())
    for link in links:
        path, _, fragment = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        if fragment:
            assert fragment in {anchor(heading) for heading in headings(target)}, link


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= 900
