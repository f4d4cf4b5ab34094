"""What scripts that serve import of AWS's toolkit: https://github.com/aws/sagemaker-inference-toolkit."""

from __future__ import annotations

import importlib
import sys

HERE = "sagelab.toolkits.sagemaker_inference"
PARTS = ("content_types", "decoder", "default_inference_handler", "encoder", "errors", "utils")

# By AWS's name they are the same modules, so that a script catches the very errors that are raised.
for part in PARTS:
    globals()[part] = sys.modules[f"{__name__}.{part}"] = importlib.import_module(f"{HERE}.{part}")
