"""Tables for reading: each is laid out once, as a `model.Table`, and rendered for paper, the terminal and the page."""
