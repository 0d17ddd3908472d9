"""Alerts and the dashboard: Prometheus loads them, and they ask for metrics that exist."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY, CollectorRegistry

import worker.runtime.metrics  # noqa: F401 - registers the worker's metrics
from service.metrics import Metrics

DEPLOY = Path(__file__).parents[1] / "deploy"
RULES = DEPLOY / "prometheus" / "narrows.rules.yml"
DASHBOARD = DEPLOY / "grafana" / "narrows.json"

needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool") and "CI" not in os.environ, reason="promtool is not installed"
)


def names_in(registry: CollectorRegistry) -> Iterator[str]:
    """Return the names of all series, whether there are samples yet or not."""
    for family in registry.collect():
        suffixes = {"histogram": ("_count", "_sum", "_bucket"), "counter": ("_total",)}
        for suffix in suffixes.get(family.type, ("",)):
            yield family.name + suffix


def expressions() -> list[str]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    return [rule["expr"] for rule in group["rules"]] + asked


def test_every_metric_exists() -> None:
    known = {*names_in(Metrics().registry), *names_in(REGISTRY)}
    asked = {name for text in expressions() for name in re.findall(r"\bnarrows_\w+", text)}
    assert len(asked) > 8
    assert asked - known == set()


def test_panels_do_not_overlap() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    places = [panel["gridPos"] for panel in panels]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)


@needs_promtool
def test_alerts_fire_when_they_should() -> None:
    done = subprocess.run(
        ["promtool", "test", "rules", RULES.with_suffix(".test.yml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout


@needs_promtool
def test_prometheus_reads_what_the_dashboard_asks(tmp_path: Path) -> None:
    rules = [
        {"record": f"asked:{number}", "expr": re.sub(r"\$__(rate_interval|range)", "5m", text)}
        for number, text in enumerate(expressions())
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
