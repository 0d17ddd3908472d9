"""Reports: of 4 and of 400 layers, of older analyses, and what figures say in numbers."""

import re
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import pytest

from narrows.report import drawn
from narrows.report.figures.saliencies import curve
from narrows.report.formats import FIGURES
from narrows.report.report import NoFigureError, Report
from tests.support.reports import findings

SVG = "{http://www.w3.org/2000/svg}"
LARGEST = 2_000_000
LONGEST_COMMENT = 65_536


def of_class(svg: str, name: str, tag: str = "rect") -> list[ElementTree.Element]:
    root = ElementTree.fromstring(svg)
    return [e for e in root.iter(SVG + tag) if name in (e.get("class") or "").split()]


@pytest.mark.parametrize("layers", [1, 4, 41, 400])
def test_all_layers_and_figures(layers: int, tmp_path: Path) -> None:
    report = Report(findings(layers))
    page = report.html()
    assert page.count("<tr id=") == layers
    assert len(page.encode()) <= LARGEST
    assert len(report.markdown()) <= LONGEST_COMMENT
    assert f"{layers} layers" in report.markdown()
    for figure in set(FIGURES) - ({"ratios", "worth", "score", "plans"} if layers == 1 else set()):
        ElementTree.fromstring(report.svg(figure))
    for name in ("r.html", "r.md", "r.svg"):
        assert report.save(tmp_path / name).stat().st_size > 500
    with pytest.raises(ValueError, match=r"ends in none of \.html, \.md, \.svg"):
        report.save(tmp_path / "r.pdf")


def test_blocks_are_as_wide_as_their_layers() -> None:
    told = findings(6)
    blocks = of_class(Report(told).svg(), "block")
    widths = [row["width"] for row in told.rows]
    assert [float(block.get("width", 0)) for block in blocks] == pytest.approx(
        [1000 * width / max(widths) for width in widths], abs=0.1
    )
    assert [(block.get("class") or "").split()[1] for block in blocks] == [
        row["verdict"] for row in told.rows
    ]


def test_connections_that_pass_layers_by_and_shared_channels() -> None:
    told = findings(20)
    svg = Report(told).svg()
    joining = of_class(svg, "joining", "path")
    assert len(joining) == sum(len(row["joins"] or ()) for row in told.rows) == 9
    assert len(of_class(svg, "funnel", "path")) == 19
    groups = [row["group"] for row in told.rows if row["group"] is not None]
    shared = sum(groups.count(group) for group in set(groups) if groups.count(group) > 1)
    assert len(of_class(svg, "shared", "circle")) == shared > 0


def test_bars_are_the_shares_that_are_pruned() -> None:
    told = findings(8)
    svg = drawn.alone(told, "ratios")
    assert svg is not None
    bars = of_class(svg, "bar")
    shares = [share for layer in told.layers for ratio, share, _ in layer.sweep if ratio == 0.5]
    assert [float(bar.get("height", 0)) for bar in bars] == pytest.approx(
        [190 * share + 1 for share in shares], abs=0.2
    )
    assert len(of_class(svg, "whisker", "line")) == len(shares)


def test_a_curve_has_a_step_for_each_channel() -> None:
    (layer, *_) = findings(3, saliencies={"layer1.0.conv1": (0.5, 0.25, 0.0)}).layers
    svg = str(curve(layer, 0.5)).replace("<svg", f'<svg xmlns="{SVG[1:-1]}"')
    (area,) = of_class(svg, "area", "path")
    assert area.get("d", "").count("H") == 4  # three steps, and back


def test_the_why_of_each_verdict_is_told() -> None:
    told = findings(30)
    page, comment = Report(told).html(), Report(told).markdown()
    for layer in told.layers:
        assert layer.why in page.replace("&#39;", "'")
    for layer in told.having("bottleneck", "suspected"):
        assert f"**{layer.glyph} {layer.verdict}**" in comment


def test_what_was_left_out() -> None:
    plan: Any = {**findings(4).plans[0], "error": "It is tied.", "artifact": None,
                 "incomplete": [{"module": "aux", "reason": "it is computed"}]}  # fmt: skip
    page = Report(findings(4, plans=[plan])).html()
    assert "they are the network&#39;s outputs" in page
    assert "could not be built: It is tied." in page
    assert re.search(r"aux</span>, it is computed", page)


def test_withheld_verdicts() -> None:
    told = findings(4)
    doubtful = findings(4, summary=cast("Any", {**told.summary, "doubt": "it is no better"}))
    for text in (Report(doubtful).html(), Report(doubtful).markdown()):
        assert "Every verdict is withheld" in text
        assert "it is no better" in text


def test_an_analysis_of_an_older_version() -> None:
    new = ("sweep_intervals", "inputs", "joins", "worth", "worth_ratio", "worth_interval",
           "promise", "promise_interval", "widen_rank", "expected_gain")  # fmt: skip
    rows = [{**row, **dict.fromkeys(new)} for row in findings(4).rows]
    old = findings(
        4,
        rows=cast("Any", rows),
        summary=cast("Any", {"samples": 1, "loss": 0.5, "structures": 9, "bottlenecks": []}),
        saliencies={},
        plans=[],
        provenance={},
    )
    report = Report(old)
    assert report.html().count("<tr id=") == 4
    assert "loss 0.5" in report.markdown()
    with pytest.raises(NoFigureError, match="nothing to draw in the figure 'worth'"):
        report.svg("worth")


def test_values_are_told_as_in_json() -> None:
    provenance = {"metadata": {"ema": True, "run": "True", "epochs": 30}, "plans": ["double"]}
    report = Report(findings(4, provenance=provenance))
    for text in (report.html(), report.markdown()):
        assert "ema true, run True, epochs 30" in text


def test_a_figure_that_there_is_not() -> None:
    with pytest.raises(NoFigureError, match="choose from network, ratios"):
        Report(findings(2)).svg("pie")


def test_a_notebook_shows_it_in_a_frame() -> None:
    frame = Report(findings(2))._repr_html_()
    assert frame.startswith("<iframe ")
    assert frame.count("<") == 2
