"""Where records flow while a study runs: to the store first, then to whoever watches."""

from tune_app.monitor.flow import Monitor, RecordFlow

__all__ = ["Monitor", "RecordFlow"]
