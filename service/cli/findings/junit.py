"""JUnit's XML: a test case a layer. Jenkins, GitLab and Azure Pipelines show it."""

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from service.cli.fail_on import Gate
from service.cli.findings.finding import NETWORK, findings_of
from service.cli.run_analysis import Result
from service.cli.undecided import nothing_decided

_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 can't hold (§2.2)."""


def junit(result: Result, gate: Gate) -> str:
    """Return one test case for each layer.

    A layer fails that the gate finds, without a gate a bottleneck; it is skipped if it was not
    judged. Where nothing could be decided, one case is an error.
    """
    suite = Element("testsuite", name=_text(result.analysis.name or "narrows"))
    undecided = nothing_decided(result)
    texts = {finding.layer: finding.text for finding in findings_of(result, gate)}
    if undecided:
        _add(_case(suite, result, NETWORK), "error", "undecided", texts[NETWORK])
    for layer in result.layers:
        case = _case(suite, result, layer.name)
        verdict = str(layer.verdict)
        if undecided or verdict in {"undecided", "not_prunable"}:
            reason = layer.because or layer.reason or undecided
            _add(case, "skipped", verdict, f"{verdict}: {reason}")
        elif layer.name in gate.failing or (not gate.word and verdict == "bottleneck"):
            _add(case, "failure", verdict, texts[layer.name])
        else:
            SubElement(case, "system-out").text = _text(texts.get(layer.name, verdict))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(suite)))
    suites = Element("testsuites")
    suites.append(suite)
    indent(suites)
    return tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: Element, result: Result, name: str) -> Element:
    classname = f"narrows.{result.analysis.id}"
    return SubElement(suite, "testcase", classname=classname, name=_text(name))


def _add(case: Element, tag: str, kind: str, text: str) -> None:
    SubElement(case, tag, type=kind, message=_text(text)).text = _text(text)


def _text(text: str) -> str:
    return _NOT_IN_XML.sub("�", text)
