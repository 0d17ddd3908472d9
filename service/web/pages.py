"""All pages."""

from typing import Final

from service.web import (
    analyses,
    analysis,
    asking,
    comparing,
    further,
    jobs,
    layer,
    sign_in,
    trial,
    trials,
    uploads,
    webhooks,
)

PAGES: Final = (
    sign_in,
    analyses,
    asking,
    analysis,
    comparing,
    further,
    layer,
    trials,
    trial,
    jobs,
    uploads,
    webhooks,
)
"""The modules with their routers."""
