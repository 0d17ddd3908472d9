"""SARIF 2.1.0 (OASIS): what GitHub's code scanning and other viewers of findings read."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from service.cli.findings.finding import Finding

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
RULES = {
    "bottleneck": "The layer is too narrow for its neighbours.",
    "suspected": "More samples could make the layer a bottleneck.",
    "redundant": "Nearly all channels of the layer can be pruned.",
    "undecided": "Nothing could be decided.",
}


def sarif(findings: list[Finding], source: Path, name: str | None = None) -> str:
    """Return a log of one run, called `name`.

    Every finding is at the first line of the file `source`.
    """
    rules = [{"id": name, "shortDescription": {"text": text}} for name, text in RULES.items()]
    driver = {"name": "Narrows", "version": version("narrows"), "rules": rules}
    results = [_result(one, source) for one in findings]
    run: dict[str, object] = {"tool": {"driver": driver}, "results": results}
    if name:  # §3.14.3
        run["automationDetails"] = {"description": {"text": name}}
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2) + "\n"


def _result(finding: Finding, source: Path) -> dict[str, object]:
    physical = {"artifactLocation": {"uri": _uri(source)}, "region": {"startLine": 1}}
    logical = {"fullyQualifiedName": finding.layer, "kind": "module"}
    same = hashlib.sha256(f"{finding.verdict} {finding.layer}".encode()).hexdigest()
    return {
        "ruleId": finding.verdict,
        "ruleIndex": list(RULES).index(finding.verdict),
        "level": finding.level,
        "message": {"text": finding.text},
        "locations": [{"physicalLocation": physical, "logicalLocations": [logical]}],
        "partialFingerprints": {"verdictOfLayer/v1": same},
    }


def _uri(path: Path) -> str:
    """Return a URI, relative where the path is (§3.4.3).

    >>> _uri(Path("nets/my net.py"))
    'nets/my%20net.py'
    """
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
