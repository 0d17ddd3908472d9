"""All pages."""

from typing import Final

from service.web import analyses, analysis, asking, layer, sign_in, uploads

PAGES: Final = (sign_in, analyses, asking, analysis, layer, uploads)
"""The modules with their routers."""
