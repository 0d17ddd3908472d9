"""All pages."""

from typing import Final

from service.web import (
    analyses,
    analysis,
    asking,
    comparing,
    further,
    layer,
    sign_in,
    uploads,
    webhooks,
)

PAGES: Final = (sign_in, analyses, asking, analysis, comparing, further, layer, uploads, webhooks)
"""The modules with their routers."""
