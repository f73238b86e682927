"""A study → planned trials, their costs and shares → work items."""

from tune_app.plan.shares import check_shares
from tune_app.plan.trials import GpuShare, PlannedTrial, Share, Shares, build_plan, build_plan_frame
from tune_app.plan.work import WorkItem

__all__ = [
    "GpuShare",
    "PlannedTrial",
    "Share",
    "Shares",
    "WorkItem",
    "build_plan",
    "build_plan_frame",
    "check_shares",
]
