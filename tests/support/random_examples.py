"""How many random examples tests try."""

import os

from hypothesis import HealthCheck, settings

THOROUGH = os.environ.get("NARROWS_TEST_THOROUGH") == "1"


def random_examples(number: int, *, derandomize: bool = False) -> settings:
    """Try so many examples of networks, each of which takes a second to export.

    With the environment variable NARROWS_TEST_THOROUGH=1, try ten times as many. `derandomize`
    tries the same ones in every run.
    """
    return settings(
        max_examples=10 * number if THOROUGH else number,
        derandomize=derandomize,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
