"""A PyTorch model where its script leaves something to the server: TorchScript, tensors in, tensors out.

https://github.com/aws/sagemaker-pytorch-inference-toolkit
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sagelab.serving import codecs
from sagelab.serving.errors import BadModel
from sagelab.serving.handlers import Defaults, by_the_server

NAME = "model.pt"
ENDINGS = (".pt", ".pth")
FLOATS = (codecs.JSON, codecs.CSV)  # of these a tensor has floats; of NumPy's own form what the array has


def load(folder: Path) -> Any:
    """The TorchScript model in model.pt, or in the one file that ends so. BadModel: there is none."""
    file = folder / NAME
    if not file.is_file():
        found = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in ENDINGS)
        if len(found) != 1:
            names = [path.name for path in found]
            raise BadModel(
                f"Exactly one .pth or .pt file is required for PyTorch models: {names}. code/inference.py of the"
                " archive may have a model_fn(model_dir) instead."
            )
        file = found[0]
    try:
        return torch.jit.load(file, map_location="cpu")
    except RuntimeError as error:
        why = str(error).splitlines()[0]
        raise BadModel(
            f"Failed to load {file}. Please ensure model is saved using torchscript, or that code/inference.py has"
            f" a model_fn(model_dir): {why}"
        ) from None


def read(body: bytes, kind: str) -> torch.Tensor:
    """A tensor of a body's numbers. BadRequest: it has none."""
    array = codecs.decode(body, kind)
    if kind.partition(";")[0].strip().lower() in FLOATS:
        return torch.as_tensor(array, dtype=torch.float32)
    return torch.from_numpy(array)


def predict(data: Any, model: Any) -> Any:
    """What the model makes of a tensor, without gradients."""
    with torch.no_grad():
        model.eval()
        return model(data)


def write(prediction: Any, accept: str) -> tuple[bytes, str]:
    """A tensor as the numbers that it has; anything else as it is."""
    if isinstance(prediction, torch.Tensor):
        prediction = prediction.detach().cpu().tolist()
    return codecs.encode(prediction, accept)


DEFAULTS = Defaults(read, predict, write, load, (codecs.JSON, codecs.CSV), by_the_server, context=True)
