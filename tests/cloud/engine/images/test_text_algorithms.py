"""The images of BlazingText, Sequence-to-Sequence and Object2Vec: they learn what was planted, and answer."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from sagelab.algorithms import recordio
from tests.cloud.endpoints import Hosting
from tests.cloud.jobs import Jobs
from tests.cloud.tunings import Tunings
from tests.conftest import LocalCloud
from tests.waiting import until

pytestmark = pytest.mark.slow  # fastText is pulled first, and TensorFlow trains

BLAZINGTEXT = "811284229777.dkr.ecr.us-east-1.amazonaws.com/blazingtext:1"
SEQ2SEQ = "811284229777.dkr.ecr.us-east-1.amazonaws.com/seq2seq:1"
OBJECT2VEC = "382416733822.dkr.ecr.us-east-1.amazonaws.com/object2vec:1"
LINES, RECORDS = "application/jsonlines", "application/x-recordio-protobuf"
LETTERS = {word: number for number, word in enumerate(["<pad>", "<unk>", "<s>", "</s>", *"abcdefgh"])}
# What fastText itself makes of a text: how much of another one it labels as it should.
BARE = """
import fasttext, json, sys
train, held, how = sys.argv[1:]
print(fasttext.train_supervised(input=train, verbose=0, **json.loads(how)).test(held)[1])
"""


def sentences(count: int, seed: int) -> str:
    """Three words in ten are of the label's topic."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        topic = rng.choice(("sport", "money", "art", "code"))
        words = [f"{topic}{rng.randrange(40)}" for _ in range(3)] + [f"w{rng.randrange(200)}" for _ in range(7)]
        rng.shuffle(words)
        found.append(f"__label__{topic} {' '.join(words)}")
    return "\n".join(found)


def reversals(count: int, seed: int) -> Iterator[dict[str, list[int]]]:
    """Sequences of two to five letters, and the same from the end."""
    rng = random.Random(seed)
    for _ in range(count):
        letters = [rng.randrange(4, 12) for _ in range(rng.randint(2, 5))]
        yield {"source": letters, "target": letters[::-1]}


def objects(count: int, seed: int) -> str:
    """Pairs of sets of tokens, which go together where they are of the same ten."""
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        first, second = rng.randrange(4), rng.randrange(4)
        second = first if rng.random() < 0.5 else second
        drawn = [[group * 10 + rng.randrange(10) for _ in range(rng.randint(1, 5))] for group in (first, second)]
        rows.append({"label": int(first == second), "in0": drawn[0], "in1": drawn[1]})
    return "\n".join(map(json.dumps, rows))


@pytest.fixture(scope="module")
def jobs(cloud: LocalCloud) -> Jobs:
    return Jobs(cloud)


@pytest.fixture
def hosting(cloud: LocalCloud) -> Iterator[Hosting]:
    made = Hosting(cloud)
    yield made
    made.close()


def request(
    jobs: Jobs, image: str, channels: dict[str, dict[str, bytes]], kind: str, **hyperparameters: str
) -> dict[str, Any]:
    """A training job. channels: name -> file -> content. kind: their content type."""
    name = image.rpartition("/")[2].partition(":")[0]
    for channel, files in channels.items():
        for file, content in files.items():
            jobs.put(f"{name}/{channel}/{file}", content)
    return jobs.request(
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        HyperParameters=hyperparameters,
        InputDataConfig=[
            jobs.channel(channel, f"s3://{jobs.bucket}/{name}/{channel}") | {"ContentType": kind}
            for channel in channels
        ],
    )


def pairs(jobs: Jobs) -> dict[str, Any]:
    """A job of Object2Vec that tells pairs apart."""
    channels = {
        name: {"rows": objects(count, seed).encode()}
        for seed, (name, count) in enumerate({"train": 1500, "validation": 300, "test": 300}.items())
    }
    settings = {"enc0_max_seq_len": "5", "enc0_vocab_size": "40", "enc0_network": "pooled_embedding"}
    settings |= {"enc0_token_embedding_dim": "16", "mlp_dim": "32", "mlp_activation": "relu", "epochs": "4"}
    settings |= {"learning_rate": "0.01", "mini_batch_size": "64"}
    return request(jobs, OBJECT2VEC, channels, LINES, **settings)


def letters(jobs: Jobs, batches: str) -> dict[str, Any]:
    """A job of Sequence-to-Sequence that reverses sequences, of so many batches."""
    vocabulary = {name: json.dumps(LETTERS).encode() for name in ("vocab.src.json", "vocab.trg.json")}
    channels = {
        "train": {"train.rec": recordio.write_integers(reversals(3000, 1))},
        "validation": {"val.rec": recordio.write_integers(reversals(100, 2))},
        "vocab": vocabulary,
    }
    settings = {"rnn_num_hidden": "64", "num_embed_source": "32", "num_embed_target": "32", "beam_size": "3"}
    settings |= {"learning_rate": "0.005", "max_num_batches": batches, "bleu_sample_size": "20"}
    settings |= {"max_seq_len_source": "6", "max_seq_len_target": "6"}
    asked = request(jobs, SEQ2SEQ, channels, RECORDS, **settings)
    asked["ResourceConfig"]["InstanceType"] = "ml.p3.2xlarge"
    return asked


def run(jobs: Jobs, asked: dict[str, Any]) -> tuple[dict[str, float], str]:
    """(the last metrics, the artifact) of a job that has to complete."""
    ended = jobs.run(asked)
    assert ended["TrainingJobStatus"] == "Completed", jobs.log(asked["TrainingJobName"])[-3000:]
    metrics = {each["MetricName"]: each["Value"] for each in ended["FinalMetricDataList"]}
    return metrics, ended["ModelArtifacts"]["S3ModelArtifacts"]


def ask(hosting: Hosting, image: str, artifact: str) -> Any:
    """What asks an endpoint of the artifact: (body, content type) -> the answer's body."""
    name = hosting.serve(hosting.config(hosting.model(None, Image=image, ModelDataUrl=artifact)))

    def invoke(body: bytes, kind: str = "application/json") -> bytes:
        answer = hosting.runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType=kind)
        found: bytes = answer["Body"].read()
        return found

    return invoke


def batch(jobs: Jobs, hosting: Hosting, image: str, artifact: str, lines: list[str]) -> list[dict[str, Any]]:
    """What a batch transform makes of each line of a file in JSON lines."""
    name = f"transform-{uuid.uuid4().hex[:12]}"
    rows = jobs.put(f"{name}/rows.jsonl", "\n".join(lines).encode())
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": rows}}
    hosting.sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=hosting.model(None, Image=image, ModelDataUrl=artifact),
        TransformInput={"DataSource": source, "ContentType": LINES, "SplitType": "Line"},
        TransformOutput={"S3OutputPath": f"s3://{jobs.bucket}/{name}", "AssembleWith": "Line", "Accept": LINES},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    ended = until(
        lambda: hosting.sagemaker.describe_transform_job(TransformJobName=name),
        lambda job: job["TransformJobStatus"] not in ("InProgress", "Stopping"),
    )
    assert ended["TransformJobStatus"] == "Completed", ended.get("FailureReason")
    answer = jobs.s3.get_object(Bucket=jobs.bucket, Key=f"{name}/rows.jsonl.out")["Body"].read()
    return [json.loads(line) for line in answer.splitlines() if line]


def test_text_is_classified_as_well_as_by_fasttext_itself(
    cloud: LocalCloud, jobs: Jobs, hosting: Hosting, tmp_path: Path
) -> None:
    texts = {"train": sentences(2000, 1), "validation": sentences(500, 2)}
    channels = {name: {"text": text.encode()} for name, text in texts.items()}
    settings = {"mode": "supervised", "buckets": "2000", "vector_dim": "10", "learning_rate": "0.5"}
    metrics, artifact = run(jobs, request(jobs, BLAZINGTEXT, channels, "text/plain", **settings))
    assert metrics["validation:accuracy"] > 0.9
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    how = json.dumps({"bucket": 2000, "dim": 10, "lr": 0.5, "epoch": 5, "minCount": 5, "wordNgrams": 2})
    packages = {"PYTHONPATH": str(cloud.home.environments / "blazingtext/packages")}
    command = [sys.executable, "-c", BARE, str(tmp_path / "train"), str(tmp_path / "validation"), how]
    bare = subprocess.run(command, env=os.environ | packages, capture_output=True, text=True, check=True)
    assert metrics["validation:accuracy"] == pytest.approx(float(bare.stdout), abs=0.01)
    assert set(jobs.unpack(artifact)) == {"model.bin"}
    invoke = ask(hosting, BLAZINGTEXT, artifact)
    asked = {"instances": ["sport1 sport2 w3", "code7 code8"], "configuration": {"k": 2}}
    first, second = json.loads(invoke(json.dumps(asked).encode()))
    assert (first["label"][0], second["label"][0]) == ("__label__sport", "__label__code")
    assert len(first["prob"]) == 2
    found = invoke(b'{"source": "money1 money2"}\n{"source": "art3", "k": 4}', LINES).splitlines()
    assert [len(json.loads(line)["label"]) for line in found] == [1, 4]
    with pytest.raises(botocore.exceptions.ClientError, match=r"\(400\).*The request is not"):
        invoke(b"[1]")


def test_best_text_classifier_of_a_search_labels_a_batch(jobs: Jobs, hosting: Hosting) -> None:
    channels = {name: {"text": sentences(500, seed).encode()} for seed, name in enumerate(("train", "validation"))}
    fixed = {"mode": "supervised", "buckets": "2000", "vector_dim": "10", "epochs": "10"}
    asked, tunings = request(jobs, BLAZINGTEXT, channels, "text/plain", **fixed), Tunings(jobs)
    rate = {"Name": "learning_rate", "MinValue": "0.005", "MaxValue": "0.5", "ScalingType": "Logarithmic"}
    config = tunings.config(
        2,
        HyperParameterTuningJobObjective={"Type": "Maximize", "MetricName": "validation:accuracy"},
        ParameterRanges={"ContinuousParameterRanges": [rate]},
    )
    kept = ("AlgorithmSpecification", "InputDataConfig", "OutputDataConfig", "RoleArn", "ResourceConfig")
    definition = {name: asked[name] for name in (*kept, "StoppingCondition")} | {"StaticHyperParameters": fixed}
    best = tunings.run(tunings.request(config, TrainingJobDefinition=definition))["BestTrainingJob"]
    objective = best["FinalHyperParameterTuningJobObjectiveMetric"]
    job = jobs.describe(best["TrainingJobName"])
    final = {each["MetricName"]: each["Value"] for each in job["FinalMetricDataList"]}
    assert objective == {"MetricName": "validation:accuracy", "Value": final["validation:accuracy"]}
    artifact = job["ModelArtifacts"]["S3ModelArtifacts"]
    answers = batch(
        jobs, hosting, BLAZINGTEXT, artifact, ['{"source": "sport1 sport2"}', '{"source": "art3", "k": 2}']
    )
    assert [len(answer["label"]) for answer in answers] == [1, 2]


# The request, the metric, the ranges that AWS recommends, and of each kind of answer: (a line, its members).
SEARCHES: dict[str, tuple[Any, tuple[str, str], dict[str, tuple[str, ...]], dict[str, set[str]]]] = {
    "seq2seq": (
        lambda jobs: letters(jobs, "20"),
        ("validation:perplexity", "Minimize"),
        {
            "learning_rate": ("0.00005", "0.2"),
            "embed_dropout_source": ("0.0", "0.5"),
            "plateau_reduce_lr_threshold": ("1", "5"),
            "batch_size": ("16", "32", "64", "128"),
        },
        {'{"source": "a b c"}': {"target"}},
    ),
    "object2vec": (
        pairs,
        ("validation:cross_entropy", "Minimize"),
        {
            "learning_rate": ("0.000001", "1.0"),
            "weight_decay": ("0.0", "1.0"),
            "mlp_layers": ("1", "4"),
            "optimizer": ("adagrad", "adam", "rmsprop", "sgd", "adadelta"),
        },
        {'{"in0": [1, 2], "in1": [3]}': {"scores"}, '{"in0": [1, 2], "in1": [35]}': {"scores"}},
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("algorithm", SEARCHES)
def test_best_network_of_a_search_answers_a_batch(jobs: Jobs, hosting: Hosting, algorithm: str) -> None:
    make, (metric, kind), found, asked_for = SEARCHES[algorithm]
    asked, tunings = make(jobs), Tunings(jobs)
    ranges: dict[str, list[dict[str, Any]]] = {}
    for name, ends in found.items():
        if len(ends) > 2:
            ranges.setdefault("CategoricalParameterRanges", []).append({"Name": name, "Values": list(ends)})
            continue
        listed = f"{'Continuous' if '.' in ends[0] else 'Integer'}ParameterRanges"
        ranges.setdefault(listed, []).append(
            dict(zip(("Name", "MinValue", "MaxValue"), (name, *ends), strict=True))
        )
    objective = {"Type": kind, "MetricName": metric}
    config = tunings.config(3, 1, HyperParameterTuningJobObjective=objective, ParameterRanges=ranges)
    kept = ("AlgorithmSpecification", "InputDataConfig", "OutputDataConfig", "RoleArn", "ResourceConfig")
    definition = {name: asked[name] for name in (*kept, "StoppingCondition")}
    definition["StaticHyperParameters"] = {
        name: value for name, value in asked["HyperParameters"].items() if name not in found
    }
    ended = tunings.run(tunings.request(config, TrainingJobDefinition=definition))
    tried = [
        jobs.describe(child["TrainingJobName"]) for child in tunings.children(ended["HyperParameterTuningJobName"])
    ]
    values = {
        job["TrainingJobName"]: each["Value"]
        for job in tried
        for each in job.get("FinalMetricDataList", [])
        if each["MetricName"] == metric and job["TrainingJobStatus"] == "Completed"
    }
    best = ended["BestTrainingJob"]
    assert best["FinalHyperParameterTuningJobObjectiveMetric"] == {
        "MetricName": metric,
        "Value": min(values.values()),
    }
    assert values[best["TrainingJobName"]] == min(values.values())
    assert all(set(found) <= job["HyperParameters"].keys() for job in tried)
    artifact = jobs.describe(best["TrainingJobName"])["ModelArtifacts"]["S3ModelArtifacts"]
    image = asked["AlgorithmSpecification"]["TrainingImage"]
    answers = batch(jobs, hosting, image, artifact, list(asked_for))
    assert [answer.keys() for answer in answers] == list(asked_for.values())


def test_spot_job_that_leaves_no_checkpoints_waits_for_an_hour_at_most(jobs: Jobs) -> None:
    asked = request(jobs, BLAZINGTEXT, {"train": {"text": b"__label__a b"}}, "text/plain", mode="supervised")
    asked |= {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 3601},
    }
    with pytest.raises(botocore.exceptions.ClientError, match="algorithm blazingtext does not checkpoint"):
        jobs.sagemaker.create_training_job(**asked)


def test_words_of_a_topic_have_vectors_that_are_alike(jobs: Jobs) -> None:
    text = sentences(3000, 3).replace("sport1 ", "king ").replace("sport2 ", "queen ").replace("code1 ", "rook ")
    settings = {"mode": "batch_skipgram", "vector_dim": "10", "learning_rate": "0.1", "sampling_threshold": "1"}
    asked = request(jobs, BLAZINGTEXT, {"train": {"text": text.encode()}}, "text/plain", **settings)
    metrics, artifact = run(jobs, asked)
    files = jobs.unpack(artifact)
    assert set(files) == {"vectors.txt", "vectors.bin", "eval.json"}
    evaluated = json.loads(files["eval.json"])
    assert evaluated["mean_rho"] == pytest.approx(metrics["train:mean_rho"], abs=1e-4)
    assert 340 < evaluated["EN-WS-353-ALL.txt"]["not_found"] <= 353
    head, *lines = files["vectors.txt"].decode().splitlines()
    vectors = {line.split()[0]: [float(value) for value in line.split()[1:]] for line in lines}
    assert head == f"{len(vectors)} 10"
    assert "skipgram stands for it" in jobs.log(asked["TrainingJobName"])

    def alike(first: str, second: str) -> float:
        both = vectors[first], vectors[second]
        product = sum(one * other for one, other in zip(*both, strict=True))
        return product / (math.hypot(*both[0]) * math.hypot(*both[1]))

    assert alike("sport3", "sport4") > alike("sport3", "code4") + 0.2


def test_pairs_are_told_apart_and_their_objects_embedded(jobs: Jobs, hosting: Hosting) -> None:
    metrics, artifact = run(jobs, pairs(jobs))
    assert min(metrics["validation:accuracy"], metrics["test:accuracy"]) > 0.95
    assert metrics["validation:cross_entropy"] < 0.3
    invoke = ask(hosting, OBJECT2VEC, artifact)
    asked = {"instances": [{"in0": [1, 2, 3], "in1": [4, 5]}, {"in0": [1, 2], "in1": [35]}]}
    same, other = (one["scores"] for one in json.loads(invoke(json.dumps(asked).encode()))["predictions"])
    assert same[1] > 0.5 > other[1]
    assert sum(same) == pytest.approx(1, abs=1e-4)
    (line,) = invoke(b'{"in0": [1, 2, 3, 4, 5, 6]}', f"{LINES}; infer_max_seqlens=6,5").splitlines()
    assert len(json.loads(line)["embeddings"]) == 16
    with pytest.raises(botocore.exceptions.ClientError, match=r"The token 40 in in0: An instance"):
        invoke(b'{"instances": [{"in0": [40]}]}')


@pytest.mark.long
def test_sequences_are_reversed(jobs: Jobs, hosting: Hosting) -> None:
    asked = letters(jobs, "120")
    asked["ResourceConfig"]["InstanceType"] = "ml.m5.large"
    with pytest.raises(botocore.exceptions.ClientError, match="algorithm seq2seq; only GPU instances"):
        jobs.sagemaker.create_training_job(**asked)
    asked["ResourceConfig"]["InstanceType"] = "ml.p3.2xlarge"
    metrics, artifact = run(jobs, asked)
    assert metrics["validation:accuracy"] > 0.95
    assert metrics["validation:bleu"] > 0.9
    assert metrics["validation:perplexity"] < 1.2
    invoke = ask(hosting, SEQ2SEQ, artifact)
    instances = [{"data": "a b c", "configuration": {"attention_matrix": "true"}}, {"data": "d e f g"}]
    first, second = json.loads(invoke(json.dumps({"instances": instances}).encode()))["predictions"]
    assert (first["target"], second["target"]) == ("c b a", "g f e d")
    assert [max(range(3), key=row.__getitem__) for row in first["matrix"]] == [2, 1, 0]
    assert json.loads(invoke(b'{"source": "h a"}', LINES)) == {"target": "a h"}
    answer = invoke(recordio.write_integers([{"source": [4, 5, 6], "target": []}]), RECORDS)
    assert [row["target"].tolist() for row in recordio.read_integers(answer)] == [[6, 5, 4]]
