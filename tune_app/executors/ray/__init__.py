"""Trials as actors on Ray Tune. The only folder that imports ray; Ray's own words stay in here."""

import os
import sys

from tune_app.data.caches import ensure_home
from tune_app.executors.ray.token import has_token

# Read when ray is imported or initialised: no usage reports (nothing leaves the machine), no second progress display,
# no loggers of Tune's own (the driver writes the records), and Ctrl-C raises here instead of ending `fit` quietly.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("TUNE_WARN_THRESHOLD_S", "600")
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "86400")  # snapshots for a restore that is never made
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
# Idle workers would start beside the first actors, for nothing.
os.environ.setdefault("RAY_enable_worker_prestart", "0")
# A node that is drained counts as lost: what ran there is started again, but not for ever.
os.environ.setdefault("RAY_TRAIN_COUNT_PREEMPTION_AS_FAILURE", "1")
# Those that start with Ray import torch before they report (see `worker.py`), on a busy machine for a while.
os.environ.setdefault("RAY_worker_register_timeout_seconds", "300")
# A local cluster turns token authentication on by itself; for an explicit address Ray sends this user's token only if
# told so before it is imported. A cluster that wants none ignores it. A Ray that is imported already would not hear of
# it, and what it starts would.
ensure_home()
if "ray" not in sys.modules and has_token():
    os.environ.setdefault("RAY_AUTH_MODE", "token")

from typing import TYPE_CHECKING, Any

from tune_app.executors.ray.cluster import Cluster, start_ray, stop_ray
from tune_app.executors.ray.nodes import check_nodes
from tune_app.executors.ray.quick import Warm, start_dashboard
from tune_app.executors.ray.watch import watch_head

if TYPE_CHECKING:
    from tune_app.executors.ray.run import run_on_ray

__all__ = [
    "Cluster",
    "Warm",
    "check_nodes",
    "run_on_ray",
    "start_dashboard",
    "start_ray",
    "stop_ray",
    "watch_head",
]


def __getattr__(name: str) -> Any:
    """`run_on_ray` on its first use: it takes torch and Ray Tune along, and Ray can start without them."""
    if name != "run_on_ray":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tune_app.executors.ray.run import run_on_ray

    return run_on_ray
