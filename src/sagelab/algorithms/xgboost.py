"""SageMaker's XGBoost as a built-in algorithm: `python3 -m sagelab.algorithms.xgboost` trains.

Channels, hyperparameters, lines of the log and the artifact are those of
https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html; xgboost itself does the work.
"""

from __future__ import annotations

import os
import pickle
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import xgboost

from sagelab.algorithms import parameters, tables
from sagelab.algorithms.job import Job, UserError, run, say
from sagelab.algorithms.parameters import choice, integer, literal, number, words
from sagelab.algorithms.tables import Table
from sagelab.algorithms.tabular.xgboost_folds import Folds
from sagelab.algorithms.tabular.xgboost_metrics import CUSTOM, KNOWN, combined

MODEL, CHECKPOINT = "xgboost-model", "xgboost-checkpoint"
KEPT = 5  # checkpoints
TRACKER_PORT = 9099
JOINED = 60  # seconds in which the hosts must have found one another, and come to an end together
FIRST = ("1", "0.90", "1.0")  # versions that say `silent` and answer with all scores in one line
PICKLED = (*FIRST, "1.2")  # versions whose artifact is a pickled Booster

OBJECTIVES = (
    *("binary:logistic", "binary:logitraw", "binary:hinge", "count:poisson", "multi:softmax", "multi:softprob"),
    *("rank:pairwise", "rank:ndcg", "rank:map", "reg:linear", "reg:squarederror", "reg:logistic", "reg:gamma"),
    *("reg:pseudohubererror", "reg:squaredlogerror", "reg:absoluteerror", "reg:tweedie", "survival:aft"),
    "survival:cox",
)
UPDATERS = (
    *("grow_colmaker", "distcol", "grow_histmaker", "grow_skmaker", "sync", "refresh", "prune"),
    *("grow_quantile_histmaker", "shotgun", "coord_descent"),
)
PARAMETERS = {
    "num_round": integer(1, required=True),
    "csv_weights": integer(0, 1),
    "early_stopping_rounds": integer(1),
    "booster": choice("gbtree", "gblinear", "dart"),
    "verbosity": integer(0, 3),
    "nthread": integer(1),
    "eta": number(0, 1),
    "gamma": number(0),
    "max_depth": integer(0),
    "min_child_weight": number(0),
    "max_delta_step": number(0),
    "subsample": number(0, 1, inside="(]"),
    "colsample_bytree": number(0, 1, inside="(]"),
    "colsample_bylevel": number(0, 1, inside="(]"),
    "colsample_bynode": number(0, 1, inside="(]"),
    "lambda": number(0),
    "alpha": number(0),
    "tree_method": choice("auto", "exact", "approx", "hist", "gpu_hist"),
    "sketch_eps": number(0, 1, inside="()"),
    "scale_pos_weight": number(0, inside="(]"),
    "updater": words(*UPDATERS),
    "dsplit": choice("row", "col"),
    "refresh_leaf": integer(0, 1),
    "process_type": choice("default", "update"),
    "grow_policy": choice("depthwise", "lossguide"),
    "max_leaves": integer(0),
    "max_bin": integer(0),
    "predictor": choice("auto", "cpu_predictor", "gpu_predictor"),
    "monotone_constraints": literal(tuple),
    "interaction_constraints": literal(list),
    "sample_type": choice("uniform", "weighted"),
    "normalize_type": choice("tree", "forest"),
    "rate_drop": number(0, 1),
    "one_drop": integer(0, 1),
    "skip_drop": number(0, 1),
    "lambda_bias": number(0, 1),
    "tweedie_variance_power": number(1, 2, inside="()"),
    "objective": choice(*OBJECTIVES),
    "num_class": integer(2),
    "base_score": number(0),
    "_kfold": integer(2),
    "_num_cv_round": integer(1),
    "_tuning_objective_metric": words(*KNOWN, fits=lambda name: name.rpartition(":")[2] in KNOWN),
    "eval_metric": words(*KNOWN, fits=lambda name: name in KNOWN or _has_threshold(name)),
    "seed": integer(-(2**31) + 1, 2**31 - 2),
    "num_parallel_tree": integer(1),
    "save_model_on_termination": choice("true", "false"),
    "aft_loss_distribution": choice("normal", "logistic", "extreme"),
    "aft_loss_distribution_scale": number(0),
    "deterministic_histogram": choice("true", "false"),
    "single_precision_histogram": choice("true", "false"),
    "sampling_method": choice("uniform", "gradient_based"),
    "prob_buffer_row": number(1, inside="(]"),
    "use_dask_gpu_training": choice("false"),
}
SILENT = {"silent": integer(0, 1)}
ALIASES = {
    "learning_rate": "eta",
    "min_split_loss": "gamma",
    "reg_lambda": "lambda",
    "reg_alpha": "alpha",
}
# What today's xgboost has no use for, with what it is now.
GONE = {"sketch_eps", "dsplit", "predictor", "prob_buffer_row", "deterministic_histogram", "lambda_bias"} | {
    "single_precision_histogram"
}
# What users do wrong, in xgboost's own words.
FAULTS = re.compile(
    r"label must be|base_score must be|label must be nonnegative|greater equal to \d|Label set cannot be empty|"
    r"only contains pos or neg|feature_names mismatch|Label contains NaN|Input data contains|Weights must be|"
    r"0 feature is supplied|Invalid Parameter format|monotone constraint|Constrained features|"
    r"Unknown tree updater|CanModifyTree|unlimited depth|labels_lower_bound_"
)


Metrics = dict[str, dict[str, list[float]]]  # channel -> metric -> values


def train(job: Job) -> None:
    """Train on the channels, leave the model. UserError: what the user has to put right."""
    settings = check(job.config("hyperparameters"))
    say(f"Running XGBoost {xgboost.__version__} as a built-in algorithm")
    kind = tables.kind_of(job.config("inputdataconfig").get("train", {}).get("ContentType"))
    weighted = bool(settings.pop("csv_weights", 0))
    if job.channel("train") is None:
        raise UserError("Missing required channel: train")
    count, rounds = settings.pop("_kfold", 0), settings.pop("_num_cv_round", 1)
    read = {name: _read(job, name, kind, weighted) for name in ("train", "validation") if job.channel(name)}
    if count:
        _cross_validate(job, settings, tables.join(list(read.values())), Folds(count, rounds))
        return
    data = {name: _matrix(name, read.pop(name)) for name in [*read]}
    with joined(*job.hosts) as first:
        booster, _ = _fit(settings, data, first, job)
        if first:
            _save(booster, job.model / MODEL)


def _cross_validate(job: Job, settings: dict[str, Any], whole: Table, folds: Folds) -> None:
    """Leave the model of every fold. No checkpoints: which rows a fold has is drawn anew with every start."""
    if len(job.hosts[1]) > 1:
        raise UserError("_kfold: cross validation runs on one instance only")
    with reasons():
        matrix = xgboost.DMatrix(whole.features, whole.labels, weight=whole.weights)
    found = folds.train(settings, matrix, lambda own, data: _fit(own, data, True), job.root / "output/data")
    for fold, booster in enumerate(found):
        _save(booster, job.model / f"{MODEL}-{fold}")


def check(sent: dict[str, str]) -> dict[str, Any]:
    """The settings of a job. UserError: one of them is no good, or two do not go together."""
    found = parameters.read(sent, PARAMETERS | (SILENT if _version() in FIRST else {}), ALIASES)
    if found.pop("silent", 0):
        found.setdefault("verbosity", 0)
    objective = found.get("objective", "")
    if objective.startswith("multi:") and "num_class" not in found:
        raise UserError("Require input for parameter 'num_class' for multi-classification")
    metrics = found.get("eval_metric", [])
    if "auc" in metrics and not objective.startswith(("binary:", "rank:", "multi:")):
        raise UserError("Metric 'auc' can only be applied for classification and ranking problems.")
    if "aft-nloglik" in metrics and objective != "survival:aft":
        raise UserError("Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.")
    if "gpu" in f"{found.get('tree_method')}{found.get('predictor')}":
        raise UserError("This instance has no GPU: tree_method and predictor must be ones of the CPU.")
    for name in GONE & found.keys():
        say(f"{name} has no meaning in XGBoost {xgboost.__version__} any more, and is left out")
    return {name: value for name, value in found.items() if name not in GONE}


def _read(job: Job, channel: str, kind: str, weighted: bool) -> Table:
    folder = job.channel(channel)
    table: Table | None = tables.read_files(folder, kind, weighted) if folder else None
    if table is None:
        raise UserError(f"No data in {channel} channel path {folder}")
    return table


def _matrix(channel: str, table: Table) -> xgboost.DMatrix:
    with reasons():
        found = xgboost.DMatrix(table.features, table.labels, weight=table.weights)
    say(f"{channel.capitalize()} matrix has {found.num_row()} rows and {found.num_col()} columns")
    return found


def _fit(
    settings: dict[str, Any], data: dict[str, xgboost.DMatrix], first: bool, job: Job | None = None
) -> tuple[xgboost.Booster, Metrics]:
    """The booster, and its metrics after each round. job: whose checkpoints are kept."""
    rounds, patience = settings.pop("num_round"), settings.pop("early_stopping_rounds", None)
    keep = settings.pop("save_model_on_termination", "false") == "true"
    tuned = [name.rpartition(":")[2] for name in settings.pop("_tuning_objective_metric", [])]
    asked = [*settings.pop("eval_metric", []), *tuned]
    own = [name for name in dict.fromkeys(asked) if name in CUSTOM]
    settings["eval_metric"] = [name for name in dict.fromkeys(asked) if name not in CUSTOM]
    if not settings["eval_metric"]:
        del settings["eval_metric"]
    settings |= {"updater": ",".join(settings["updater"])} if "updater" in settings else {}
    checkpoints = job.checkpoints if job else None
    before, done = newest(checkpoints)
    say_resumed(before, done)
    callbacks: list[Any] = [Lines(done)] if first else []
    if patience:
        callbacks.append(xgboost.callback.EarlyStopping(patience, save_best=True))
    if job and first and (checkpoints or keep):
        callbacks.append(Keeper(checkpoints, job.model / MODEL if keep else None, done))
    metrics: Metrics = {}
    with reasons():
        booster = xgboost.train(
            settings,
            data["train"],
            max(0, rounds - done),
            evals=[(matrix, name) for name, matrix in data.items()],
            custom_metric=combined(own, settings.get("objective", "")) if own else None,
            callbacks=callbacks,
            evals_result=metrics,
            xgb_model=before,
            verbose_eval=False,
        )
    return booster, metrics


@contextmanager
def reasons() -> Iterator[None]:
    """UserError: what xgboost says of the user's data or hyperparameters."""
    try:
        yield
    except (xgboost.core.XGBoostError, ValueError) as error:
        if FAULTS.search(str(error)):
            raise UserError(_reason(str(error))) from None
        raise


class Lines(xgboost.callback.TrainingCallback):  # type: ignore[misc] # xgboost is in its own environment
    """A line of the log after each round, as AWS's container prints it. done: rounds before this run."""

    def __init__(self, done: int) -> None:
        super().__init__()
        self._done = done

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002 - xgboost's names
        parts = [
            f"{channel}-{metric}:{values[-1]:.5f}"
            for channel, metrics in evals_log.items()
            for metric, values in metrics.items()
        ]
        # `#011` is what CloudWatch makes of the tab there.
        print("#011".join([f"[{epoch + self._done}]", *parts]), flush=True)
        return False


class Keeper(xgboost.callback.TrainingCallback):  # type: ignore[misc]
    """Leaves a checkpoint after each round, the last of them alone, and where asked the model so far."""

    def __init__(self, folder: Path | None, model: Path | None, done: int, kept: int = KEPT) -> None:
        super().__init__()
        self._folder, self._model, self._done, self._kept = folder, model, done, kept

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002 - xgboost's names
        number = epoch + self._done
        if self._folder:
            _save(model, self._folder / f"{CHECKPOINT}.{number}")
            (self._folder / f"{CHECKPOINT}.{number - self._kept}").unlink(missing_ok=True)
        if self._model:
            _save(model, self._model)
        return False


def newest(folder: Path | None) -> tuple[Path | None, int]:
    """The newest checkpoint that can be read, and the rounds that it has behind it."""
    files = folder.glob(f"{CHECKPOINT}.*") if folder else ()
    numbered = {int(file.suffix[1:]): file for file in files if file.suffix[1:].isdecimal()}
    for done in sorted(numbered, reverse=True):
        try:
            load(numbered[done])
        except (xgboost.core.XGBoostError, ValueError, OSError):
            continue
        return numbered[done], done + 1
    return None, 0


def say_resumed(before: Path | None, done: int) -> None:
    """The log's lines about what a training goes on from."""
    if before:
        say(f"Checkpoint loaded from {before}")
        say(f"Resuming from iteration {done}")


def _version() -> str:
    """The image's, "1.7" of 1.7-1."""
    return os.environ.get("SAGEMAKER_FRAMEWORK_VERSION", "").partition("-")[0]


def _save(booster: xgboost.Booster, file: Path) -> None:
    """In the version's own form, whole or not at all."""
    draft = file.with_name(f".{file.name}")
    if _version() in PICKLED and file.name == MODEL:
        draft.write_bytes(pickle.dumps(booster))
    else:
        draft.write_bytes(booster.save_raw("ubj"))
    draft.replace(file)


def load(file: Path) -> xgboost.Booster:
    """A model, as it was saved. It is the job's own: a pickled one runs what is in it, as AWS's container does."""
    content = file.read_bytes()
    if content[:1] == b"\x80":
        found = pickle.loads(content)
        if not isinstance(found, xgboost.Booster):
            raise ValueError(f"{file.name} is a pickled {type(found).__name__}, not a Booster")
        return found
    return xgboost.Booster(model_file=bytearray(content))


@contextmanager
def joined(host: str, hosts: list[str]) -> Iterator[bool]:
    """Whether this host is the first, which alone prints and saves; xgboost's own tracker joins several."""
    if len(hosts) == 1:
        yield True
        return
    from xgboost import collective
    from xgboost.tracker import RabitTracker

    first = host == sorted(hosts)[0]
    tracker = RabitTracker(len(hosts), socket.gethostbyname(host), TRACKER_PORT) if first else None
    if tracker:
        tracker.start()
    address = socket.gethostbyname(sorted(hosts)[0])
    _wait_for(address, TRACKER_PORT)
    found = {"dmlc_tracker_uri": address, "dmlc_tracker_port": TRACKER_PORT, "dmlc_task_id": host}
    with collective.CommunicatorContext(**found):
        yield collective.get_rank() == 0
    if tracker:
        tracker.wait_for(JOINED)


def _wait_for(address: str, port: int) -> None:
    """Return when somebody listens there: xgboost itself asks again after ever longer pauses."""
    limit = time.monotonic() + JOINED
    while time.monotonic() < limit:
        with suppress(OSError), socket.create_connection((address, port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"The first host did not open port {port}.")


def _has_threshold(name: str) -> bool:
    """error@0.7, ndcg@5 and the like."""
    metric, at, threshold = name.partition("@")
    return bool(at) and metric in ("error", "ndcg", "map") and threshold.rstrip("-").replace(".", "", 1).isdigit()


def _reason(text: str) -> str:
    """The sentence of one of xgboost's errors, without its stack."""
    lines = [line for line in text.splitlines() if line and not line.startswith(("Stack trace", "  ["))]
    return re.sub(r"^\[\d\d:\d\d:\d\d\] \S+: ", "", lines[0]) if lines else text


if __name__ == "__main__":
    run(train, Job())
