"""python3 -m sagelab.spark.serverless: one attempt of a job run of EMR Serverless's, on its hosts.

What it is asked for is /opt/ml/config/serverless.json. What its workers print goes to files, which are put below
the run's logUri, and line by line to the local cloud, marked with the log that it belongs to.
"""

from __future__ import annotations

import logging
import sys

from sagelab.spark.errors import SparkError
from sagelab.spark.serverless import output, request
from sagelab.spark.serverless.application import Application


def main() -> int:
    """The application's exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asked = request.read()
    logs = output.Logs(asked.logs, asked.executors)
    try:
        Application(asked, logs).run()
    except SparkError as error:
        return error.exit_code
    except Exception as error:
        logs.explain(error)
        return 1
    finally:
        logs.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
