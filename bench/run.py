"""Measure the local cloud against the bare script and against plain moto: `make bench`.

    python bench/run.py                  every group; writes each one's table into docs/performance.md
    python bench/run.py --only up store  these groups
    python bench/run.py --quick          smaller counts, printed only: to see that the benchmark itself works
    python bench/run.py --full           lab 1 on all 70,000 digits (SAGELAB_MNIST may name them)

Every value is a ratio, a difference or a count of one run; what is compared takes turns. Leave the machine alone
meanwhile. Exit code 1: a limit is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator

import table
from blazingtext import blazingtext
from chains import chains
from clients import clients
from compiler import compiler
from console import console
from deployments import deployments
from desk import desk
from drawn import drawn
from endpoints import endpoints
from events import events
from firehose import firehose
from frameworks import frameworks
from functions import functions
from k8s import k8s
from lake import lake
from lessons import lessons
from networks import networks
from pipelines import pipelines
from place import forget_surroundings
from pytorch import pytorch
from recommender import recommender
from recorded import recorded
from rest import rest
from scale import store
from scaling import scaling
from serverless import serverless
from spark import spark
from spot import spot
from startup import up
from table import Result
from together import together
from traffic import gateway
from training import empty, train, train_full
from trust import trust
from tuning import tuning
from ways_in import ways_in
from wire import wire

from sagelab.lab.digits import DigitsError

MEASURES: dict[str, Callable[[bool], Iterator[Result]]] = {
    "up": up,
    "desk": desk,
    "gateway": gateway,
    "recorded": recorded,
    "store": store,
    "endpoints": endpoints,
    "serverless": serverless,
    "chains": chains,
    "deployments": deployments,
    "empty": empty,
    "frameworks": frameworks,
    "blazingtext": blazingtext,
    "drawn": drawn,
    "pytorch": pytorch,
    "train": train,
    "together": together,
    "wire": wire,
    "networks": networks,
    "tuning": tuning,
    "lessons": lessons,
    "clients": clients,
    "compiler": compiler,
    "spot": spot,
    "events": events,
    "ways_in": ways_in,
    "scaling": scaling,
    "recommender": recommender,
    "functions": functions,
    "lake": lake,
    "firehose": firehose,
    "spark": spark,
    "rest": rest,
    "pipelines": pipelines,
    "trust": trust,
    "console": console,
    "k8s": k8s,
}


def main() -> None:
    options = _options()
    forget_surroundings()
    found: list[Result] = []
    try:
        if options.full:
            found += _group("full", train_full(), keep=True)
        for name in () if options.full else options.only or MEASURES:
            found += _group(name, MEASURES[name](options.quick), keep=not options.quick)
    except DigitsError as error:
        sys.exit(str(error))
    missed = sum(not result.met for result in found)
    print(f"{len(found) - missed} of {len(found)} limits met")
    sys.exit(1 if missed else 0)


def _group(name: str, measures: Iterator[Result], *, keep: bool) -> list[Result]:
    """Measure one group, print it as it comes, and keep its table when it is whole."""
    print(f"-- {name}", flush=True)
    load, results = os.getloadavg()[1], []
    for result in measures:
        table.show(result)
        results.append(result)
    if keep:
        table.write(name, results, load)
    return results


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="bench/run.py"
    )
    parser.add_argument("--only", nargs="+", choices=MEASURES, help="these groups")
    parser.add_argument("--quick", action="store_true", help="smaller counts")
    parser.add_argument("--full", action="store_true", help="all 70,000 digits, and nothing else")
    return parser.parse_args()


if __name__ == "__main__":
    main()
