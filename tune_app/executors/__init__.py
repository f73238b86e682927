"""Where trials run: `inline` in this process, `ray` as actors on Ray Tune. Both send the same records to a flow."""
