"""Where records flow while a study runs: to the store first, then to whoever watches."""

from tune_app.monitor.flow import Callback, Monitor, NoteEnvironments, RecordFlow

__all__ = ["Callback", "Monitor", "NoteEnvironments", "RecordFlow"]
