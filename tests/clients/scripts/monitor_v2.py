"""Model Monitor of the SageMaker Python SDK v2: the same as monitor_v3.py, which imports what there is."""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).with_name("monitor_v3.py")))
