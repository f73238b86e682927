"""A study → planned trials, their costs and shares → work items."""

from tune_app.plan.forecast import Forecast, build_forecast
from tune_app.plan.makespan import predict_makespan
from tune_app.plan.schedule import Shard, count_slots, spread
from tune_app.plan.shares import check_shares
from tune_app.plan.trials import GpuShare, PlannedTrial, Share, Shares, build_plan, build_plan_frame
from tune_app.plan.work import WorkItem

__all__ = [
    "Forecast",
    "GpuShare",
    "PlannedTrial",
    "Shard",
    "Share",
    "Shares",
    "WorkItem",
    "build_forecast",
    "build_plan",
    "build_plan_frame",
    "check_shares",
    "count_slots",
    "predict_makespan",
    "spread",
]
