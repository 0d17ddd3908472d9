"""Crafted archives, by what they abuse.

Behind each is one that made `torch.export.load` run code, crash, hang or read memory, or one that a
rule of docs/security.md forbids.
"""

from tests.support.attacks import (
    calls,
    code,
    container,
    foreign_files,
    payloads,
    pickles,
    resources,
    text,
)
from tests.support.attacks.pickles import CANARY
from tests.support.attacks.registry import ATTACKS, Attack

__all__ = [
    "ATTACKS",
    "CANARY",
    "Attack",
    "calls",
    "code",
    "container",
    "foreign_files",
    "payloads",
    "pickles",
    "resources",
    "text",
]
