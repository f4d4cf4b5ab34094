"""XGBoost's image: the built-in algorithm trains, goes on, spreads over hosts, and its model answers."""

from __future__ import annotations

import io
import json
import pickletools
import re
import subprocess
from pathlib import Path
from typing import Any

import botocore.exceptions
import numpy as np
import pytest

from tests.cloud.endpoints import Hosting
from tests.cloud.jobs import Jobs
from tests.cloud.spot import interrupt
from tests.conftest import LocalCloud
from tests.waiting import until

pytestmark = pytest.mark.slow  # its packages are pulled first

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:{}"
FIRST = "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:latest"
SETTINGS = {"num_round": "6", "objective": "binary:logistic", "eval_metric": "accuracy,auc", "max_depth": "3"}
MARKET = {"rate": "0", "wait": "0.2", "notice": "5"}  # nobody but the test interrupts
# As AWS's own example of a script has it.
EXAMPLE = """
import json, os
import xgboost
from sagemaker_containers import entry_point
from sagemaker_xgboost_container import distributed
from sagemaker_xgboost_container.data_utils import get_dmatrix

def train(rows, is_master):
    print("is_master", is_master)
    booster = xgboost.train({"max_depth": 2}, rows, 3, evals=[(rows, "train"), (rows, "validation")])
    if is_master:
        booster.save_model(os.environ["SM_MODEL_DIR"] + "/xgboost-model")

hosts, host = json.loads(os.environ["SM_HOSTS"]), os.environ["SM_CURRENT_HOST"]
entry_point._wait_hostname_resolution()
rows = get_dmatrix(os.environ["SM_CHANNEL_TRAIN"], "csv")
distributed.rabit_run(train, {"rows": rows}, rows is not None, hosts, host, update_rabit_args=True)
"""
# Leaves a Booster pickled as XGBoost before 1.0 pickled it, and reads it in a warm Python and in a fresh one.
OLD = """
import os, pickle, subprocess, sys
import numpy as np, xgboost

class Old:
    def __reduce__(self):
        state = {"handle": booster.save_raw("deprecated"), "feature_names": None, "best_iteration": 1}
        return object.__new__, (xgboost.Booster,), state

rows = xgboost.DMatrix(np.eye(4), np.arange(4))
booster = xgboost.train({"max_depth": 2, "min_child_weight": 0}, rows, 2)
file = os.environ["SM_MODEL_DIR"] + "/xgboost-model"
with open(file, "wb") as opened:
    pickle.dump(Old(), opened)
saved = xgboost.Booster(model_file=booster.save_raw("deprecated"))
print("saved", np.array_equal(saved.predict(rows), booster.predict(rows)))
print("warm", pickle.load(open(file, "rb")).best_iteration)
child = "import pickle, sys; print('child', pickle.load(open(sys.argv[1], 'rb')).num_boosted_rounds())"
subprocess.run([sys.executable, "-c", child, file], check=True)
print("scores", *booster.predict(rows))
"""
# Trains three rounds, and goes on to the fifth as after an interruption.
CHECKPOINTS = """
import os
import numpy as np, xgboost
from sagemaker_inference import encoder
from sagemaker_xgboost_container import checkpointing
from sagemaker_xgboost_container.checkpointing import SaveCheckpoint, load_checkpoint, save_checkpoint

folder = "/opt/ml/checkpoints"
rows = xgboost.DMatrix(np.eye(4), np.arange(4))
asked = {"params": {"max_depth": 2}, "dtrain": rows, "evals": [(rows, "train")]}
print("none", load_checkpoint(folder))
checkpointing.train(asked | {"num_boost_round": 3}, folder)
print("newest", load_checkpoint(folder))
booster = checkpointing.train(asked | {"num_boost_round": 5}, folder)
print("rounds", booster.num_boosted_rounds(), type(encoder.encode(booster.predict(rows), "text/csv")).__name__)
kept = save_checkpoint(folder, start_iteration=5, max_to_keep=2)
before, done = load_checkpoint(folder)
xgboost.train({"max_depth": 2}, rows, 3, xgb_model=before, callbacks=[kept])
print("own", isinstance(kept, SaveCheckpoint), sorted(os.listdir(folder)))
"""
# What xgboost itself makes of the same rows: its last metrics.
BARE = """
import json, sys
import numpy, xgboost
tables = [numpy.loadtxt(file, delimiter=",") for file in sys.argv[1:]]
train, held = (xgboost.DMatrix(rows[:, 1:], rows[:, 0]) for rows in tables)
how, found = {"objective": "binary:logistic", "eval_metric": ["auc", "error"], "max_depth": 3}, {}
xgboost.train(how, train, 6, [(train, "train"), (held, "validation")], evals_result=found, verbose_eval=False)
print(json.dumps({name: [values[-1] for values in each.values()] for name, each in found.items()}))
"""
RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(300, 4))
LABELS = (FEATURES[:, 0] + 2 * FEATURES[:, 1] > 0).astype(int)


def csv(rows: Any) -> bytes:
    text = io.StringIO()
    np.savetxt(text, rows, delimiter=",", fmt="%.8g")
    return text.getvalue().encode()


@pytest.fixture(scope="module")
def jobs(cloud: LocalCloud) -> Jobs:
    made = Jobs(cloud)
    table = np.column_stack([LABELS, FEATURES])
    made.put("train/rows.csv", csv(table[:200]))
    made.put("validation/rows.csv", csv(table[200:]))
    return made


def request(jobs: Jobs, version: str = "1.7-1", hosts: int = 1, **changes: Any) -> dict[str, Any]:
    """A training job of the algorithm. changes: of its hyperparameters."""
    image = FIRST if version == "1" else IMAGE.format(version)
    channels = [
        jobs.channel(name, f"s3://{jobs.bucket}/{name}") | {"ContentType": "text/csv"}
        for name in ("train", "validation")
    ]
    return jobs.request(
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        HyperParameters=SETTINGS | changes,
        InputDataConfig=channels,
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": hosts, "VolumeSizeInGB": 1},
    )


@pytest.fixture(scope="module")
def trained(jobs: Jobs) -> dict[str, Any]:
    return jobs.run(request(jobs))


def test_algorithm_trains_and_its_metrics_are_the_jobs(jobs: Jobs, trained: dict[str, Any]) -> None:
    assert trained["TrainingJobStatus"] == "Completed", trained.get("FailureReason")
    final = {each["MetricName"]: each["Value"] for each in trained["FinalMetricDataList"]}
    names = {f"{channel}:{metric}" for channel in ("train", "validation") for metric in ("accuracy", "auc")}
    assert final.keys() == names
    assert 0.8 < final["validation:accuracy"] < final["train:auc"] <= 1
    log = jobs.log(trained["TrainingJobName"])
    assert f"[5]#011train-auc:{final['train:auc']:.5f}#011train-accuracy:{final['train:accuracy']:.5f}" in log
    assert "Train matrix has 200 rows and 4 columns" in log
    assert set(jobs.unpack(trained["ModelArtifacts"]["S3ModelArtifacts"])) == {"xgboost-model"}


@pytest.mark.long
def test_metrics_are_those_of_xgboost_itself(
    cloud: LocalCloud, jobs: Jobs, trained: dict[str, Any], tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("train", "validation")]
    for file in files:
        body = jobs.s3.get_object(Bucket=jobs.bucket, Key=f"{file.name}/rows.csv")["Body"].read()
        file.write_bytes(body)
    command = [str(cloud.home.environments / "xgboost/bin/python"), "-c", BARE, *map(str, files)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    final = {each["MetricName"]: each["Value"] for each in trained["FinalMetricDataList"]}
    for channel, (area, error) in found.items():
        assert final[f"{channel}:auc"] == pytest.approx(area, rel=0.01)
        assert final[f"{channel}:accuracy"] == pytest.approx(1 - error, rel=0.01)


def test_first_versions_leave_a_pickle(jobs: Jobs) -> None:
    ended = jobs.run(request(jobs, "1", objective="reg:linear", eval_metric="rmse", silent="1"))
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    (model,) = jobs.unpack(ended["ModelArtifacts"]["S3ModelArtifacts"]).values()
    names = [argument for _, argument, _ in pickletools.genops(model) if isinstance(argument, str)]
    assert "Booster" in names


def test_models_of_old_versions_are_read_and_served(cloud: LocalCloud, jobs: Jobs) -> None:
    asked, image = jobs.script(OLD), IMAGE.format("0.90-1-cpu-py3")
    asked["AlgorithmSpecification"]["TrainingImage"] = image
    ended = jobs.run(asked)
    log = jobs.log(asked["TrainingJobName"])
    assert ended["TrainingJobStatus"] == "Completed", log
    assert [line for line in ("saved True", "warm 1", "child 2") if line not in log.splitlines()] == []
    hosting = Hosting(cloud)
    model = hosting.model(None, Image=image, ModelDataUrl=ended["ModelArtifacts"]["S3ModelArtifacts"])
    name = hosting.serve(hosting.config(model))
    answer = hosting.runtime.invoke_endpoint(EndpointName=name, Body=csv(np.eye(4)), ContentType="text/csv")
    found = re.search("^scores (.*)", log, re.MULTILINE)
    assert found
    assert [float(one) for one in answer["Body"].read().split(b",")] == pytest.approx(
        [float(one) for one in found[1].split()]
    )
    hosting.close()


def test_two_hosts_train_one_model(jobs: Jobs) -> None:
    asked = request(jobs, hosts=2)
    for channel in asked["InputDataConfig"]:
        channel["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "FullyReplicated"
    ended = jobs.run(asked)
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    assert "[5]#011train-auc" in jobs.log(ended["TrainingJobName"])
    assert "#011train-auc" not in jobs.log(ended["TrainingJobName"], "algo-2")


def test_job_goes_on_after_its_newest_checkpoint(jobs: Jobs) -> None:
    kept = {"S3Uri": f"s3://{jobs.bucket}/kept"}
    assert jobs.run(request(jobs, num_round="4") | {"CheckpointConfig": kept})["TrainingJobStatus"] == "Completed"
    found = jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix="kept/")["Contents"]
    assert {each["Key"] for each in found} >= {"kept/xgboost-checkpoint.3"}
    again = jobs.run(request(jobs, num_round="6") | {"CheckpointConfig": kept})
    log = jobs.log(again["TrainingJobName"])
    assert "Resuming from iteration 4" in log
    assert [line[:3] for line in log.splitlines() if "#011" in line] == ["[4]", "[5]"]


def test_script_keeps_checkpoints_by_aws_names_and_goes_on_from_them(jobs: Jobs) -> None:
    asked = jobs.script(CHECKPOINTS)
    asked["AlgorithmSpecification"] = request(jobs)["AlgorithmSpecification"]
    asked["CheckpointConfig"] = {"S3Uri": f"s3://{jobs.bucket}/by-script"}
    ended = jobs.run(asked)
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    log = jobs.log(ended["TrainingJobName"])
    files = [f"xgboost-checkpoint.{number}" for number in (0, 1, 2, 6, 7)]
    said = ["none (None, 0)", "newest ('/opt/ml/checkpoints/xgboost-checkpoint.2', 3)", "rounds 5 str"]
    said += [f"own True {files}", "Resuming from iteration 3"]
    assert [line for line in said if line not in log] == []
    assert [line[:3] for line in log.splitlines() if "#011train-rmse" in line] == [f"[{n}]" for n in range(5)]


def test_script_of_aws_example_trains_on_two_hosts(jobs: Jobs) -> None:
    asked = jobs.script(EXAMPLE)
    changed = request(jobs, hosts=2)
    asked |= {name: changed[name] for name in ("AlgorithmSpecification", "ResourceConfig", "InputDataConfig")}
    ended = jobs.run(asked)
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    logs = [jobs.log(ended["TrainingJobName"], host) for host in ("algo-1", "algo-2")]
    assert ["is_master True" in log for log in logs] == [True, False]
    assert set(jobs.unpack(ended["ModelArtifacts"]["S3ModelArtifacts"])) == {"xgboost-model"}
    found = {metric["MetricName"] for metric in ended["FinalMetricDataList"]}
    assert found == {"train:rmse", "validation:rmse"}  # by the image's own definitions


def test_interrupted_spot_job_goes_on_after_its_newest_checkpoint(jobs: Jobs) -> None:
    asked = request(jobs, num_round="20000") | {
        "CheckpointConfig": {"S3Uri": f"s3://{jobs.bucket}/spot"},
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 300, "MaxWaitTimeInSeconds": 600},
        "Tags": [{"Key": f"sagelab:spot-{name}", "Value": value} for name, value in MARKET.items()],
    }
    name = asked["TrainingJobName"]
    jobs.sagemaker.create_training_job(**asked)
    jobs.wait_log(name, "[9]#011")
    interrupt(jobs, name)
    jobs.wait(name, "Interrupted")
    log = until(lambda: jobs.log(name), lambda log: "Resuming from iteration " in log)
    first = int(re.findall(r"Resuming from iteration (\d+)", log)[0])
    jobs.wait_log(name, f"[{first}]#011")
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    assert jobs.wait(name)["TrainingJobStatus"] == "Stopped"
    assert first > 9


def test_cross_validation_leaves_a_model_a_fold_and_their_means(jobs: Jobs) -> None:
    ended = jobs.run(request(jobs, _kfold="2", _num_cv_round="2"))
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    log = jobs.log(ended["TrainingJobName"])
    assert "Run 2-round of 2-fold cross validation with 300 rows" in log
    folds, means = (
        [float(one) for one in re.findall(rf"^\[{line}\].*#011validation-auc:([\d.]+)", log, re.MULTILINE)]
        for line in (5, 6)
    )
    assert (len(folds), len(means)) == (4, 3)  # of two rounds and of both
    assert means[-1] == pytest.approx(sum(folds) / 4, abs=1e-5)
    final = {each["MetricName"]: each["Value"] for each in ended["FinalMetricDataList"]}
    assert final["validation:auc"] == means[-1]
    place = f"out/{ended['TrainingJobName']}/output"
    rows = jobs.unpack(f"s3://{jobs.bucket}/{place}/output.tar.gz")["predictions.csv"].decode().splitlines()
    table = np.array([[float(value) for value in row.split(",")] for row in rows])
    assert table.shape == (300, 3)
    np.testing.assert_array_equal(table[:, 0], LABELS)
    assert (table[:, 0] == table[:, 2]).mean() > 0.8
    uri = ended["ModelArtifacts"]["S3ModelArtifacts"]
    assert set(jobs.unpack(uri)) == {f"xgboost-model-{number}" for number in range(4)}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"num_round": "0"}, "Hyperparameter num_round: 0 is not in [1, inf]"),
        ({"silent": "1"}, "Extraneous hyperparameter found: silent"),
        ({"objective": "multi:softmax"}, "Require input for parameter 'num_class' for multi-classification"),
        ({"objective": "reg:gamma", "eval_metric": "gamma-nloglik"}, "label must be"),
        ({"tree_method": "gpu_hist"}, "no GPU"),
        ({"_kfold": "301"}, "_kfold 301: "),
        pytest.param({"max_bin": "1"}, "max_bin should be greater equal to 2", marks=pytest.mark.long),
        pytest.param(
            {"max_leaves": "9999999999"}, "Invalid Parameter format for max_leaves", marks=pytest.mark.long
        ),
        pytest.param({"monotone_constraints": "(1,1,1,1,1)"}, "size of monotone", marks=pytest.mark.long),
        pytest.param({"interaction_constraints": "[[9]]"}, "Constrained features", marks=pytest.mark.long),
        pytest.param({"updater": "grow_skmaker"}, "Unknown tree updater", marks=pytest.mark.long),
    ],
)
def test_what_the_user_does_wrong_is_the_reason(jobs: Jobs, changes: dict[str, str], why: str) -> None:
    ended = jobs.run(request(jobs, "1.7-1", 1, **changes))
    assert ended["TrainingJobStatus"] == "Failed"
    assert why in ended["FailureReason"]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("nan,1,2", "Label contains NaN, infinity or a value too large"),
        pytest.param("1,inf,2", "Input data contains `inf`", marks=pytest.mark.long),
        pytest.param("label,rooms,age", "could not convert string to float: 'label'", marks=pytest.mark.long),
        pytest.param("1,-1,2", "Weights must be positive values", marks=pytest.mark.long),
    ],
)
def test_rows_that_are_no_numbers_are_the_reason(jobs: Jobs, row: str, why: str) -> None:
    asked = request(jobs, csv_weights="1" if "Weights" in why else "0")
    folder = f"rows/{why[:5].strip()}"
    jobs.put(f"{folder}/rows.csv", f"{row}\n0,1,3\n".encode())
    asked["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] = f"s3://{jobs.bucket}/{folder}"
    ended = jobs.run(asked)
    assert ended["TrainingJobStatus"] == "Failed"
    assert why in ended["FailureReason"]


def test_metrics_of_the_algorithm_are_its_own(jobs: Jobs) -> None:
    asked = request(jobs)
    asked["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "mine", "Regex": "x=(.*)"}]
    with pytest.raises(botocore.exceptions.ClientError, match="override the metric definitions"):
        jobs.sagemaker.create_training_job(**asked)


def test_model_answers_in_each_form(cloud: LocalCloud, trained: dict[str, Any]) -> None:
    hosting = Hosting(cloud)
    model = hosting.model(
        None, Image=IMAGE.format("1.7-1"), ModelDataUrl=trained["ModelArtifacts"]["S3ModelArtifacts"]
    )
    name = hosting.serve(hosting.config(model))

    def ask(body: bytes, kind: str, accept: str) -> bytes:
        answer = hosting.runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType=kind, Accept=accept)
        return bytes(answer["Body"].read())

    scores = [float(one) for one in ask(csv(FEATURES[200:]), "text/csv", "text/csv").splitlines()]
    assert ((np.array(scores) > 0.5) == LABELS[200:]).mean() > 0.85
    libsvm = "\n".join(" ".join(f"{i}:{value:.8g}" for i, value in enumerate(row)) for row in FEATURES[200:203])
    named = json.loads(ask(libsvm.encode(), "text/libsvm", "application/json"))
    assert [one["score"] for one in named["predictions"]] == pytest.approx(scores[:3])
    for body, kind, accept, status in (
        (b"{}", "application/json", "text/csv", "415"),
        (b"1,x", "text/csv", "text/csv", "415"),
        (b"1,2,3,4", "text/csv", "image/png", "406"),
        (b"1,2,3,4,5,6,7", "text/csv", "text/csv", "400"),
    ):
        with pytest.raises(botocore.exceptions.ClientError, match=f"client error \\({status}\\)"):
            ask(body, kind, accept)
    hosting.close()


def test_among_many_models_scores_have_commas_between_them(cloud: LocalCloud, trained: dict[str, Any]) -> None:
    hosting = Hosting(cloud)
    folder, _, archive = trained["ModelArtifacts"]["S3ModelArtifacts"].rpartition("/")
    model = hosting.model(None, Image=IMAGE.format("1.7-1"), ModelDataUrl=f"{folder}/", Mode="MultiModel")
    asked = {"Body": csv(FEATURES[200:203]), "ContentType": "text/csv", "TargetModel": archive}
    answer = hosting.runtime.invoke_endpoint(EndpointName=hosting.serve(hosting.config(model)), **asked)
    scores = [float(one) for one in answer["Body"].read().split(b",")]
    assert [score > 0.5 for score in scores] == [bool(label) for label in LABELS[200:203]]
    hosting.close()
