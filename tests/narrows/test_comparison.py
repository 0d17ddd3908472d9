"""What became of a layer between two analyses."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narrows.comparison import CHANGES, Change, compare, differing
from narrows.vocabulary import VerdictName

PROMISES = st.floats(0.01, 100)


def layer(
    name: str, verdict: str, value: float | None = None, error: float = 0.5, width: int = 6
) -> dict[str, Any]:
    interval = None if value is None else [value - error, value + error]
    return {
        "name": name, "verdict": verdict, "width": width, "score": 0.5,
        "score_interval": [0.4, 0.6], "promise": value, "promise_interval": interval,
    }  # fmt: skip


def one(before: dict[str, Any], after: dict[str, Any], *, same_measure: bool = True) -> Change:
    (change,) = compare([before], [after], same_measure=same_measure)
    return change


@pytest.mark.parametrize(
    ("verdicts", "values", "change"),
    [
        (("balanced", "bottleneck"), (1, 5), "new_bottleneck"),
        (("suspected", "bottleneck"), (5, 5), "new_bottleneck"),
        (("undecided", "bottleneck"), (5, 5), "new_bottleneck"),
        (("bottleneck", "balanced"), (5, 1), "resolved"),
        (("bottleneck", "undecided"), (5, 5), "unknown"),
        (("balanced", "balanced"), (1, 2.1), "worse"),
        (("bottleneck", "bottleneck"), (9, 4), "better"),
        (("balanced", "suspected"), (1, 1.9), "same"),
        (("balanced", "balanced"), (1, 2), "same"),
    ],
)
def test_what_became_of_it(
    verdicts: tuple[str, str], values: tuple[float, float], change: str
) -> None:
    before, after = (layer("a", *both) for both in zip(verdicts, values, strict=True))
    found = one(before, after)
    assert (found.change, found.measure, found.values) == (change, "promise", values)


def test_layers_of_one_version_alone() -> None:
    before = [layer("gone", "bottleneck", 5), layer("kept", "balanced", 1)]
    after = [layer("new", "balanced", 1), layer("kept", "balanced", 1, width=8),
             layer("narrow", "bottleneck", 5)]  # fmt: skip
    assert [(c.name, c.change, c.widths) for c in compare(before, after)] == [
        ("new", "added", (None, 6)),
        ("kept", "same", (6, 8)),
        ("narrow", "new_bottleneck", (None, 6)),
        ("gone", "removed", (6, None)),
    ]


def test_the_score_where_a_promise_is_missing() -> None:
    found = one(layer("a", "balanced"), layer("a", "balanced", 5))
    assert (found.change, found.measure) == ("same", "score")


def test_other_options_leave_the_verdicts() -> None:
    worse = layer("a", "balanced", 1), layer("a", "balanced", 9)
    found = one(*worse, same_measure=False)
    assert (found.change, found.values) == ("unknown", None)
    narrow = layer("a", "bottleneck", 9)
    assert one(worse[0], narrow, same_measure=False).change == "new_bottleneck"


def test_options_that_differ() -> None:
    before = {"method": "obs", "gate": "weights", "seed": 1}
    after = {"method": "sosp_i", "gate": "weights", "seed": 2}
    assert differing(before, after) == ["method: obs, then sosp_i"]


@given(
    st.sampled_from(get_args(VerdictName)), st.sampled_from(get_args(VerdictName)),
    PROMISES, PROMISES, st.floats(0, 10),
)  # fmt: skip
def test_the_other_way_round(
    was: str, becomes: str, before: float, after: float, error: float
) -> None:
    """Worse becomes better, and a new bottleneck is a resolved one, where both are decided."""
    pair = layer("a", was, before, error), layer("a", becomes, after, error)
    there, back = one(*pair).change, one(*pair[::-1]).change
    assert {there, back} <= {*CHANGES}
    if "undecided" not in (was, becomes):
        opposite = {"new_bottleneck": "resolved", "worse": "better"}
        opposite |= {value: key for key, value in opposite.items()}
        assert back == opposite.get(there, there)
    assert one(pair[0], pair[0]).change in {"same", "unknown"}
