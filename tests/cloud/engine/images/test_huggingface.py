"""Hugging Face's image: a script trains with transformers, and its model answers through a pipeline."""

from __future__ import annotations

import json
from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.engine.images.environments import HUGGING_FACE, Environments
from tests.cloud.endpoints import Hosting
from tests.cloud.jobs import Jobs
from tests.conftest import LocalCloud

# Its packages are pulled first, nearly 2 GB. PIP_FIND_LINKS may say where PyTorch's CPU build lies.
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

ACCOUNT = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
TRAIN_IMAGE = f"{ACCOUNT}/huggingface-pytorch-training:2.1-transformers4.36.0-gpu-py310-cu121-ubuntu20.04"
SERVE_IMAGE = f"{ACCOUNT}/huggingface-pytorch-inference:2.1.0-transformers4.37.0-cpu-py310-ubuntu22.04"
# A classifier of two words, small and drawn at random, that the Trainer teaches; nothing comes from a hub.
TRAIN = """
import argparse, os, sys
print(f"warm {'transformers' in sys.modules}")
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoTokenizer, BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast, Trainer, TrainingArguments,
)
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
arguments = parser.parse_args()
words = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "good", "bad", "very"])}
plain = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
plain.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="[PAD]", unk_token="[UNK]")
config = BertConfig(
    vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
    id2label={0: "NEGATIVE", 1: "POSITIVE"}, label2id={"NEGATIVE": 0, "POSITIVE": 1},
)
texts = ["good", "very good", "bad", "very bad"] * 16
rows = Dataset.from_dict({"text": texts, "label": [int("good" in text) for text in texts]})
rows = rows.map(lambda row: tokenizer(row["text"], padding="max_length", max_length=4))
settings = TrainingArguments(
    os.environ["SM_OUTPUT_DATA_DIR"], num_train_epochs=arguments.epochs, learning_rate=0.02, report_to=[],
    save_strategy="no", logging_steps=8, disable_tqdm=True, seed=1,
)
trainer = Trainer(BertForSequenceClassification(config), settings, train_dataset=rows, tokenizer=tokenizer)
trainer.train()
trainer.save_model(os.environ["SM_MODEL_DIR"])
try:
    AutoTokenizer.from_pretrained("bert-base-uncased")
except OSError as error:
    print(f"hub: {str(error).splitlines()[0]}")
"""


@pytest.fixture(scope="module", autouse=True)
def pulled(cloud: LocalCloud) -> None:
    Environments(cloud.home.environments).pull(HUGGING_FACE)


@pytest.fixture(scope="module")
def archive(cloud: LocalCloud) -> str:
    """Where the model of a training job is."""
    jobs = Jobs(cloud)
    request = jobs.script(TRAIN, parameters={"epochs": "6"})
    request["AlgorithmSpecification"]["TrainingImage"] = TRAIN_IMAGE
    request["ResourceConfig"]["InstanceType"] = "ml.p3.2xlarge"
    ended = jobs.run(request)
    log = jobs.full_log(request["TrainingJobName"])
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    assert "transformers 4." in log
    assert "warm True" in log
    assert "hub: We couldn't connect" in log
    return str(ended["ModelArtifacts"]["S3ModelArtifacts"])


@pytest.mark.parametrize("environment", [{"HF_TASK": "text-classification"}, {}], ids=["task", "config.json"])
def test_what_was_trained_answers_through_a_pipeline(
    cloud: LocalCloud, archive: str, environment: dict[str, str]
) -> None:
    hosting = Hosting(cloud)
    model = hosting.model(None, Image=SERVE_IMAGE, ModelDataUrl=archive, Environment=environment)
    name = hosting.serve(hosting.config(model))
    found = hosting.invoke(name, {"inputs": ["very good", "bad"]})
    assert [one["label"] for one in found] == ["POSITIVE", "NEGATIVE"]
    every: Any = hosting.invoke(name, {"inputs": "very bad", "parameters": {"top_k": None}})
    assert {one["label"] for one in every} == {"POSITIVE", "NEGATIVE"}
    table = hosting.runtime.invoke_endpoint(
        EndpointName=name, Body=b"inputs\ngood\nbad\n", ContentType="text/csv", Accept="text/csv"
    )
    assert table["Body"].read().decode().splitlines()[0] == "label,score"
    with pytest.raises(botocore.exceptions.ClientError, match=r"client error \(400\)") as caught:
        hosting.invoke(name, b"{}", ContentType="application/pdf")
    assert json.loads(caught.value.response["OriginalMessage"])["code"] == 400
    hosting.close()
