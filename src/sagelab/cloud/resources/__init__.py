"""What each SageMaker operation means: one module a family of resources.

A family is found by what it declares (`@operation`): no list of families or operations is kept.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud
    from sagelab.cloud.resources.call import Family


def classes() -> Iterator[type[Family]]:
    """Every class of this package that declares operations, by the names of their modules."""
    from sagelab.cloud.resources.call import Family

    for found in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        module = importlib.import_module(f"{__name__}.{found.name}")
        own = [each for each in vars(module).values() if getattr(each, "__module__", "") == module.__name__]
        yield from (
            each for each in own if isinstance(each, type) and issubclass(each, Family) and each.declared()
        )


def operations(service: str = "sagemaker") -> frozenset[str]:
    """The names of all operations of a service that a family declares."""
    return frozenset(name for family in classes() if family.service == service for name in family.declared())


def families(cloud: Cloud) -> list[Family]:
    """Every family of resources of a local cloud, each after those that it needs."""
    from sagelab.cloud.resources import state_changes

    state_changes.note(cloud.store)  # before any of them: what they find interrupted is a change too
    made: dict[type[Family], Family] = {}

    def make(family: type[Family]) -> Family:
        if family not in made:
            made[family] = family(cloud, *(make(needed) for needed in family.needs))
        return made[family]

    for family in classes():
        make(family)
    cloud.families[:] = made.values()
    return cloud.families
