"""The page of a study: one HTML file that needs nothing but a browser."""

from tune_app.export.page.build import PAGE_FILE, build_page, write_page

__all__ = ["PAGE_FILE", "build_page", "write_page"]
