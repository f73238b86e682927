"""A study → planned trials, their costs and shares → work items."""

from tune_app.plan.schedule import Shard, count_slots, schedule, spread
from tune_app.plan.shares import check_shares
from tune_app.plan.trials import GpuShare, PlannedTrial, Share, Shares, build_plan, build_plan_frame
from tune_app.plan.work import WorkItem

__all__ = [
    "GpuShare",
    "PlannedTrial",
    "Shard",
    "Share",
    "Shares",
    "WorkItem",
    "build_plan",
    "build_plan_frame",
    "check_shares",
    "count_slots",
    "schedule",
    "spread",
]
