"""A study on its way: plan, take over, run, export."""
