"""What images are made of is pinned: packages by their hashes, and licences are listed."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NEEDS = {
    "requirements.lock": PROJECT["project"]["dependencies"],
    "requirements-build.lock": PROJECT["build-system"]["requires"],
}


def locked(name: str) -> dict[str, str]:
    """Return the versions in a lock file."""
    text = (ROOT / name).read_text()
    found = re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", text, re.M)
    return {canonicalize_name(package): version for package, version in found}


@pytest.mark.parametrize("name", NEEDS)
def test_the_lock_has_what_the_project_asks_for(name: str) -> None:
    """A dependency that is new or newer needs `.ci/lock`."""
    versions = locked(name)
    requirements = [r for r in map(Requirement, NEEDS[name]) if r.name != "torch"]
    needed = {canonicalize_name(r.name): r.specifier for r in requirements}
    assert needed.keys() <= versions.keys()
    for package, specifier in needed.items():
        assert versions[package] in specifier, f"{package}: run .ci/lock"


@pytest.mark.parametrize("name", NEEDS)
def test_every_package_has_hashes(name: str) -> None:
    blocks = re.split(r"^(?=[\w.-]+(?:\[[\w,-]+\])?==)", (ROOT / name).read_text(), flags=re.M)[1:]
    assert len(blocks) >= len(NEEDS[name])
    for block in blocks:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block.splitlines()[0]


def test_images_are_built_of_the_locks() -> None:
    text = (ROOT / "Dockerfile").read_text()
    for name in NEEDS:
        assert f"pip install --require-hashes -r {name}" in text
    for line in re.findall(r"pip (?:install|wheel) .*", text):
        assert "--require-hashes" in line or "torch==" in line or "--no-deps" in line, line


def test_every_locked_package_has_a_licence() -> None:
    rows = re.findall(
        r"^\| ([\w.-]+) +\| [^|]+\| ([^|]+?) +\|", (ROOT / "docs/licenses.md").read_text(), re.M
    )
    licences = {canonicalize_name(name): licence for name, licence in rows}
    optional = {"async-timeout", "colorama", "greenlet", "tzdata", "wcwidth"}
    assert locked("requirements.lock").keys() - licences.keys() <= optional
    assert "UNKNOWN" not in licences.values()
