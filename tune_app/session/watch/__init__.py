"""A study watched in a browser while it runs: a process of its own, which reads the records and serves a page."""
