"""What the driver keeps of trials that have ended."""

from typing import Any

from ray.tune.experiment import Trial

from tests.builders import Collector, build_study, plan_of
from tune_app.executors.ray.orders import build_space
from tune_app.executors.ray.relay import Relay
from tune_app.plan import WorkItem


def test_nothing_that_tune_keeps_of_a_trial_outlives_it() -> None:
    """In a study of thousands of trials it would take more memory than their records."""
    item = WorkItem((planned := plan_of(build_study())[0]), tuple(range(planned.fits)))
    relay = Relay([item], flow := Collector())
    trial: Any = Trial(
        "TrialActor", stub=True, config={"order": build_space([{"item": item.id}])["order"]["grid_search"][0]}
    )
    trial.update_last_result({"training_iteration": 1, "seconds": 0.5, "config": {"spec": "a long one"}})
    assert "config" in trial.run_metadata.last_result
    assert trial.run_metadata.metric_analysis
    relay.on_trial_complete(0, [trial], trial)
    assert trial.last_result == {"done": True, "trial_id": trial.trial_id}
    assert not trial.run_metadata.metric_analysis
    assert not trial.run_metadata.metric_n_steps
    assert flow.ended == [item.id]
