"""The median rule: a trial is stopped that does worse than the trials before it did on their way.

https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-early-stopping.html
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from sagelab.cloud.engine.tuning.trials import Objective, Trial

# AWS does not say how many it waits for. The median of one or two would stop every second trial.
ENOUGH = 3


def is_hopeless(trial: Trial, ended: Iterable[Trial], objective: Objective) -> bool:
    """Whether the trial's last value is worse than the median of the running averages of those that ended.

    The running average of a trial is the mean of its values up to the same epoch.
    """
    epoch = len(trial.curve)
    averages = [statistics.fmean(each.curve[:epoch]) for each in ended if len(each.curve) >= epoch]
    return len(averages) >= ENOUGH and objective.better(statistics.median(averages), trial.curve[-1])
