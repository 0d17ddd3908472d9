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
    names,
    sending,
    sign_in,
    trial,
    trials,
    trying,
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
    trying,
    trial,
    jobs,
    names,
    uploads,
    sending,
    webhooks,
)
"""The modules with their routers."""
