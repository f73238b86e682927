"""How long this process has run: what its user has waited for by now."""

import contextlib
import os
from pathlib import Path


def read_age(system: Path = Path("/proc")) -> float:
    """Seconds since this process was started, imports included; 0 where the system does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        # The name, in brackets, may hold spaces; after it the 20th field is the start, in ticks since the boot.
        fields = (system / "self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        up = float((system / "uptime").read_text(encoding="utf-8").split()[0])
        return max(0.0, up - int(fields[19]) / os.sysconf("SC_CLK_TCK"))
    return 0.0
