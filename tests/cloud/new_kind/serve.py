"""A local cloud that has two more kinds: `python serve.py HOME` prints its address when it is ready."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from sagelab import catalog
from sagelab.cloud import resources
from sagelab.cloud.home import Home
from sagelab.cloud.server import serve

if __name__ == "__main__":
    folder = Path(__file__).parent
    catalog.KINDS += runpy.run_path(str(folder / "rows.py"))["ROWS"]
    resources.__path__.append(str(folder / "families"))
    serve(Home(sys.argv[1]), None, lambda url: print(url, flush=True))
