"""Digits as a few numbers that can be watched: the record preprocessor of a monitoring schedule.

Model Monitor compares columns, and the 784 pixels of a digit say little one by one. So each digit of a request
becomes one row: how much ink it has and how dark, how large it is, and how sure the network was.

In    a captured request {"instances": [(28, 28, 1) of 0 to 1, ...]}, and {"predictions": [ten scores, ...]}
Out   rows of ink (mean of all pixels), dark (the darkest), width and height (pixels), sure (the highest score);
      none of a request that is called a probe by its InferenceId, for nobody has written that digit
"""

import json


def describe(image, scores):
    """One digit's row. image: 28 rows of 28 pixels, each a number of 0 to 1 or a list of one; scores: ten."""
    rows = [[pixel[0] if isinstance(pixel, list) else pixel for pixel in row] for row in image]
    columns = list(zip(*rows, strict=True))
    pixels = [pixel for row in rows for pixel in row]
    return {
        "ink": round(sum(pixels) / len(pixels), 4),
        "dark": round(max(pixels), 4),
        "width": sum(max(column) > 0.2 for column in columns),
        "height": sum(max(row) > 0.2 for row in rows),
        "sure": round(max(scores), 4),
    }


def preprocess_handler(inference_record):
    """The rows of a captured request: what Model Monitor calls for each."""
    if inference_record.event_metadata.inference_id == "probe":
        return []
    images = json.loads(inference_record.endpoint_input.data)["instances"]
    scores = json.loads(inference_record.endpoint_output.data)["predictions"]
    return [describe(*pair) for pair in zip(images, scores, strict=True)]
