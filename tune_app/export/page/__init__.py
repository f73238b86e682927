"""The page of a study: one HTML file that needs nothing but a browser."""

from tune_app.export.page.build import build_page, write_page

__all__ = ["build_page", "write_page"]
