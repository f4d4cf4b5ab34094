"""Measure the local cloud against the bare script and against plain moto: `make bench`.

    python bench/run.py              everything, below ten minutes; writes the table of docs/performance.md
    python bench/run.py --only up    one measure, printed only
    python bench/run.py --quick      smaller counts, printed only: to see that the benchmark itself works
    python bench/run.py --full       lab 1 on all 70,000 digits (SAGELAB_MNIST may name them); a quarter of an hour

Every value is a ratio, a difference or a count of one run; what is compared takes turns. Leave the machine alone
meanwhile. Exit code 1: a limit is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

import table
from clients import clients
from compiler import compiler
from endpoints import endpoints
from place import forget_surroundings
from scale import store
from spot import spot
from startup import up
from table import Result
from traffic import gateway
from training import empty, train, train_full
from trust import trust
from tuning import tuning

from sagelab.lab.digits import DigitsError

MEASURES: dict[str, Callable[[bool], Iterator[Result]]] = {
    "up": up,
    "gateway": gateway,
    "store": store,
    "endpoints": endpoints,
    "empty": empty,
    "train": train,
    "tuning": tuning,
    "clients": clients,
    "compiler": compiler,
    "spot": spot,
    "trust": trust,
}


def main() -> None:
    options = _options()
    forget_surroundings()
    try:
        results = _show(train_full() if options.full else _measure(options))
    except DigitsError as error:
        sys.exit(str(error))
    if options.full:
        table.write("full", results)
    elif not (options.only or options.quick):
        table.write("run", results)
    missed = sum(not result.met for result in results)
    print(f"{len(results) - missed} of {len(results)} limits met")
    sys.exit(1 if missed else 0)


def _show(found: Iterator[Result]) -> list[Result]:
    results = []
    for result in found:
        table.show(result)
        results.append(result)
    return results


def _measure(options: argparse.Namespace) -> Iterator[Result]:
    for name in [options.only] if options.only else MEASURES:
        print(f"-- {name}", flush=True)
        yield from MEASURES[name](options.quick)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="bench/run.py"
    )
    parser.add_argument("--only", choices=MEASURES, help="one measure")
    parser.add_argument("--quick", action="store_true", help="smaller counts")
    parser.add_argument("--full", action="store_true", help="all 70,000 digits, and nothing else")
    return parser.parse_args()


if __name__ == "__main__":
    main()
