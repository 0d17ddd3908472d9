"""The browser that tests look at pages with."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.servers import unreachable

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")

expect.set_options(timeout=60_000)  # ms; as long as for anything else, on a busy machine


@contextmanager
def launched() -> Iterator[Browser]:
    """Run Chromium, as Debian's packages install it; skip, or fail in CI, where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None) or unreachable("Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
