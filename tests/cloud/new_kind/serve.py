"""A local cloud that has two more kinds: `python serve.py HOME` prints its address when it is ready."""

from __future__ import annotations

import sys
from pathlib import Path

from rows import ROWS

from sagelab import catalog
from sagelab.cloud import resources
from sagelab.cloud.home import Home
from sagelab.cloud.server import serve

if __name__ == "__main__":
    catalog.KINDS += ROWS
    resources.__path__.append(str(Path(__file__).with_name("families")))
    serve(Home(sys.argv[1]), None, lambda url: print(url, flush=True))
