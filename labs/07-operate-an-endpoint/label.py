"""The last container of the pipeline: ten scores in, one digit out."""

import json


def model_fn(folder):
    """Nothing was learned here."""
    return None


def input_fn(body, content_type):
    """TensorFlow Serving's answer -> ten scores."""
    return json.loads(body)["predictions"][0]


def predict_fn(scores, model):
    """Ten scores -> the digit, and how sure the network is of it."""
    return {"digit": scores.index(max(scores)), "sure": round(max(scores), 3)}


def output_fn(found, accept):
    """JSON, whatever the client would rather have."""
    return json.dumps(found), "application/json"
