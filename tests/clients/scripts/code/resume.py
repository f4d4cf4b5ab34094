"""Goes on from the checkpoint that is there, and leaves one; tells what else the job gave it."""

import argparse
import importlib
import json
import os
import sys
from pathlib import Path

importlib.import_module("heard_of_never").main()
parser = argparse.ArgumentParser()
parser.add_argument("--word")
arguments = parser.parse_args()

host, folder = os.environ["SM_CURRENT_HOST"], Path("/opt/ml/checkpoints")
before = sorted(file.name for file in folder.iterdir())
print("before", host, before)
print("word", arguments.word, json.loads(os.environ["SM_HPS"]), json.loads(os.environ["SM_HOSTS"]))
print("files", sorted(file.name for file in Path(sys.argv[0]).parent.glob("*.py")))
(folder / f"state-{host}").write_text("3")
