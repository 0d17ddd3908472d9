"""The report as Markdown, for a comment on a pull request.

GitHub takes comments of at most 65,536 characters, so long networks show the layers that matter.
Names come from uploads: they are code spans, in which neither HTML nor mentions nor links work.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from narrows.report import texts
from narrows.report.findings import Findings
from narrows.report.layer import LayerView
from narrows.report.wording import cliff, headline, provenance

MOST_LAYERS, MOST_EDITS = 120, 60
"""How many layers, and edits of a plan, are written out."""
BAR = 10


def document(findings: Findings) -> str:
    """Return the report in GitHub's Markdown."""
    parts = [
        f"## {plain(findings.title)}",
        f"**{plain(headline(findings))}**",
        *([f"> No verdict: {plain(doubt)}."] if (doubt := findings.summary.get("doubt")) else []),
        _facts(findings),
        *_named(findings),
        *_layers(findings),
        *_plans(findings),
        plain(cliff(findings)),
        _folded("Provenance", "\n".join(
            f"- {plain(word)}: {code(text)}" for word, text in provenance(findings)
        )),
    ]  # fmt: skip
    return "\n\n".join(filter(None, parts)) + "\n"


def code(text: str) -> str:
    r"""Return any text as a code span that also stays within a cell of a table.

    >>> print(code("conv1"), code("a`b|c"))
    `conv1` `a'b\|c`
    """
    return f"`{_one_line(text).replace('`', chr(39)).replace('|', chr(92) + '|') or ' '}`"


def plain(text: str) -> str:
    r"""Return any text so that nothing in it is Markdown, HTML or a mention.

    >>> print(plain("a_b <b>"), plain("@all").encode("ascii", "backslashreplace"))
    a\_b \<b\> b'\\@\\u200ball'
    """
    escaped = re.sub(r"([\\`*_{}\[\]<>()#+!|~@&])", r"\\\1", _one_line(text))
    return re.sub(r"([@#])(?=\w)", "\\1\u200b", escaped).replace("://", ":\u200b//")


def _one_line(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f\u2028\u2029]+", " ", text)


def _table(head: Sequence[str], right: Iterable[int], rows: Iterable[Sequence[str]]) -> str:
    numbers = set(right)
    rule = ["---:" if place in numbers else "---" for place in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def _facts(findings: Findings) -> str:
    summary = findings.summary
    baseline = summary.get("baseline")
    against = f" ({texts.quality(baseline)} without inputs)" if baseline else ""
    parts = [
        f"{texts.quality(summary)}{against}",
        f"{summary.get('samples') or 0:,} samples",
        f"{len(findings.layers):,} layers",
        f"{texts.short(findings.parameters)} parameters",
        f"{texts.short(findings.macs)} MACs",
    ]
    return " · ".join(parts)


def _named(findings: Findings) -> Iterator[str]:
    named = findings.having("bottleneck", "suspected", "redundant")
    if named:
        rows = [
            (code(layer.name), _verdict(layer), f"{layer.row['width']:,}", plain(layer.why))
            for layer in named[:20]
        ]
        yield _table(("layer", "verdict", "width", "why"), [2], rows)
        if len(named) > 20:
            yield f"{len(named) - 20} more are below."


def _layers(findings: Findings) -> Iterator[str]:
    shown = findings.layers
    if len(shown) > MOST_LAYERS:
        order = sorted(shown, key=lambda layer: (
            layer.verdict in ("balanced", "not_prunable"), layer.row.get("widen_rank") or len(shown)
        ))  # fmt: skip
        shown = sorted(order[:MOST_LAYERS], key=lambda layer: layer.index)
    rows = [
        (
            code(layer.name), f"{layer.row['width']:,}", _bar(layer.row["pruning_ratio"]),
            texts.times(layer.row.get("worth_ratio")), texts.times(layer.row.get("promise")),
            str(layer.row.get("widen_rank") or ""), _verdict(layer),
        )
        for layer in shown
    ]  # fmt: skip
    head = ("layer", "width", "pruned", "worth", "promise", "widen", "verdict")
    text = _table(head, [1, 3, 4, 5], rows)
    if len(shown) < len(findings.layers):
        text += f"\n\n{len(findings.layers) - len(shown):,} layers are not shown."
    yield _folded(f"All {len(findings.layers):,} layers", text)


def _plans(findings: Findings) -> Iterator[str]:
    if not findings.plans:
        return
    rows = [
        (
            code(plan["name"]), f"{len(plan['layers']):,}", _cost(plan["parameters"]),
            _cost(plan["macs"]), _built(plan.get("error"), plan.get("evaluation")),
        )
        for plan in findings.plans
    ]  # fmt: skip
    yield _table(("plan", "layers", "parameters", "MACs", "as built"), [1, 2, 3], rows)
    for plan in findings.plans:
        edits = [
            f"{edit['module']}.{edit['attribute']} = {edit['to']}  # was {edit['from']}"
            for layer in plan["layers"]
            for edit in layer["edits"]
        ]
        if edits:
            more = [f"# … and {len(edits) - MOST_EDITS:,} more"] if len(edits) > MOST_EDITS else []
            lines = [*map(_one_line, edits[:MOST_EDITS]), *more]
            block = "\n".join(f"    {line}" for line in lines)
            yield _folded(f"Edits of <code>{_html(plan['name'])}</code>", block)


def _verdict(layer: LayerView) -> str:
    strong = layer.verdict in ("bottleneck", "suspected")
    text = f"{layer.glyph} {texts.words(layer.verdict)}"
    return f"**{text}**" if strong else text


def _bar(share: float | None) -> str:
    if share is None:
        return ""
    full = round(share * BAR)
    return f"{'█' * full}{'░' * (BAR - full)} {share:.0%}"


def _cost(cost: Sequence[int]) -> str:
    before, after = cost
    return f"{texts.short(before)} → {texts.short(after)} {texts.change(before, after)}".rstrip()


def _built(error: str | None, evaluation: object) -> str:
    if error:
        return plain(f"could not be built: {error}")
    if not isinstance(evaluation, dict):
        return ""
    return plain(" ".join(filter(None, (texts.quality(evaluation["after"]), evaluation["remark"]))))


def _html(text: str) -> str:
    return escape(_one_line(text))
