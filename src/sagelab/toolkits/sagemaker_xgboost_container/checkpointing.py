"""Checkpoints of a script's own training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xgboost

from sagelab.algorithms.xgboost import KEPT, Keeper, Lines, newest, say_resumed


def load_checkpoint(checkpoint_dir: str, max_try: int = KEPT) -> tuple[str | None, int]:  # noqa: ARG001
    """The newest checkpoint that can be read, and the rounds behind it; (None, 0): there is none."""
    file, done = newest(Path(checkpoint_dir)) if checkpoint_dir else (None, 0)
    return (str(file) if file else None), done


class SaveCheckpoint(Keeper):
    """A callback that leaves a checkpoint after each round, the last of them alone."""

    def __init__(
        self, checkpoint_dir: str, start_iteration: int = 0, max_to_keep: int = KEPT, *_: Any, **__: Any
    ) -> None:
        Path(checkpoint_dir).mkdir(parents=True, exist_ok=True)
        super().__init__(Path(checkpoint_dir), None, start_iteration, max_to_keep)


def save_checkpoint(
    checkpoint_dir: str, start_iteration: int = 0, max_to_keep: int = KEPT, *_: Any, **__: Any
) -> SaveCheckpoint:
    """That callback. The rest of the arguments: what XGBoost before 1.3 did not know itself."""
    return SaveCheckpoint(checkpoint_dir, start_iteration, max_to_keep)


def train(train_args: dict[str, Any], checkpoint_dir: str) -> xgboost.Booster:
    """xgboost.train(**train_args), from the newest checkpoint on."""
    before, done = newest(Path(checkpoint_dir))
    say_resumed(before, done)
    rounds = max(0, train_args.get("num_boost_round", 10) - done)
    callbacks = [*train_args.get("callbacks", ()), Lines(done), save_checkpoint(checkpoint_dir, done)]
    changed = {"num_boost_round": rounds, "callbacks": callbacks, "xgb_model": before, "verbose_eval": False}
    return xgboost.train(**train_args | changed)
