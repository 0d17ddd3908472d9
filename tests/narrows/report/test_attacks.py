"""Names that attack: they come from uploads and requests, and are texts wherever they are shown."""

import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest

from narrows.report.formats import FIGURES
from narrows.report.report import Report
from tests.support.reports import findings

ATTACKS = [
    "</title><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "--><svg onload=alert(1)>",
    "]]><script>alert(1)</script>",
    "{{ 7 * 191 }}{% include '/etc/passwd' %}",
    "javascript:alert(1)",
    "a\x00b\x0b\x1fc\u202e\ufffe",
    "`|\n\n# title\n[x](https://evil.example)<b>@everyone",
]


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def attacked(attack: str) -> Report:
    told = findings(5, name=attack.replace("{", "{{").replace("}", "}}") + ".{index}")
    plans: list[Any] = [
        {**plan, "name": attack, "error": attack, "artifact": attack,
         "incomplete": [{"module": attack, "reason": attack}]}
        for plan in told.plans
    ]  # fmt: skip
    rows: list[Any] = [{**row, "because": attack, "op": attack} for row in told.rows]
    summary: Any = {**told.summary, "doubt": attack, "advice": attack, "gain_basis": attack}
    return Report(findings(
        5, rows=rows, plans=plans, summary=summary, title=attack, origin=[("model", attack)],
        provenance={"seed": attack, attack: [attack]},
        saliencies=told.saliencies,
        artifacts=[{"name": attack, "size": 1, "sha256": attack, "url": "/v1/x"}],
    ))  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_page_has_the_elements_that_it_has_without(attack: str) -> None:
    harmless, page = Elements(attacked("name").html()), Elements(attacked(attack).html())
    assert [tag for tag, _ in page.found] == [tag for tag, _ in harmless.found]
    for tag, attributes in page.found:
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
        for link in (attributes.get("href"), attributes.get("src")):
            assert link is None or link.startswith("#")
    assert "1337" not in attacked(attack).html()


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_has_the_elements_that_it_has_without(attack: str, figure: str) -> None:
    harmless, svg = (
        ElementTree.fromstring(attacked(name).svg(figure)) for name in ("name", attack)
    )
    assert [e.tag for e in svg.iter()] == [e.tag for e in harmless.iter()]
    assert not any(name.startswith("on") for e in svg.iter() for name in e.attrib)


@pytest.mark.parametrize("attack", ATTACKS)
def test_markdown_has_the_lines_that_it_has_without(attack: str) -> None:
    harmless, text = attacked("name").markdown(), attacked(attack).markdown()
    assert len(text.splitlines()) == len(harmless.splitlines())
    for line, other in zip(text.splitlines(), harmless.splitlines(), strict=True):
        line = re.sub(r"<code>[^<]*</code>", "<code></code>", line)
        other = re.sub(r"<code>[^<]*</code>", "<code></code>", other)
        if not other.startswith("    "):  # a block of code
            assert line.replace("\\|", "").count("|") == other.count("|")
            outside = re.sub(r"`[^`]*`", "", re.sub(r"\\.", "", line))
            assert outside.count("<") == other.count("<")
            assert not any(sign in outside for sign in ("](", "@", "://", "<script", "<b>"))
