"""Records → tidy tables → numbers. Imports neither Ray nor torch, and draws nothing."""
