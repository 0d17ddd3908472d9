"""The browser that tests look at pages with."""

import shutil

from tests.support.servers import unreachable

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Return the path of Chromium, as Debian's packages install it; skip, or fail in CI."""
    return next(filter(None, map(shutil.which, NAMES)), None) or unreachable("Chromium")
