"""What is logged of an analysis, whatever its layers are called."""

import math
import re
from typing import Any

from narrows.tracking.record import record_of
from tests.support.reports import findings

LONG = "block." * 60
NAMES = ["", ".", "..", "a", "a/b", "a b", "a_b", "größe", "../../x", LONG, LONG + "x", "-", "%2e"]


def test_keys_are_valid_and_none_is_that_of_another_layer() -> None:
    found = findings(len(NAMES))
    rows: Any = found.rows
    for row, name in zip(rows, NAMES, strict=True):
        row["name"] = name
    record = record_of(found, {"method": "joint", "exclude": ["a/b"], "rule": None}, "<p>")
    widths = [key for key in record.metrics if key.startswith("narrows/width/")]
    assert len(widths) == len(NAMES)
    assert record.params == {"narrows/method": "joint", "narrows/exclude": '["a/b"]'}
    for keys in (record.params, record.metrics, record.tags):
        folders = {key[:end] for key in keys for end in range(len(key)) if key[end] == "/"}
        assert not folders & keys.keys()  # as files of a folder, too
        for key in keys:
            assert re.fullmatch(r"narrows(/[A-Za-z0-9_.-]+)+", key)
            assert len(key) <= 250
            assert not re.search(r"/\.+(/|$)", key)
    assert all(map(math.isfinite, record.metrics.values()))


def test_what_is_not_known_is_left_out() -> None:
    found = findings(2)
    rows: Any = found.rows
    rows[0]["worth"], rows[0]["score"] = math.nan, None
    record = record_of(found, {}, "<p>")
    assert not {key for key in record.metrics if re.match("narrows/(worth|score)/layer1", key)}
    assert record.metrics["narrows/pruning_ratio/layer1.0.conv1"] == found.rows[0]["pruning_ratio"]
