"""All pages."""

from typing import Final

from service.web import analyses, analysis, asking, comparing, layer, sign_in, uploads, webhooks

PAGES: Final = (sign_in, analyses, asking, analysis, comparing, layer, uploads, webhooks)
"""The modules with their routers."""
