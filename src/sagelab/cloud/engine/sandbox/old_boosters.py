"""A Python of XGBoost's image: it unpickles models of XGBoost before 1.0, as the image of that version did.

Their state is a model as `save_model` wrote it then. XGBoost still reads such a model, but since 1.0 expects
another one in a pickle. Every Python of such a host imports this, and xgboost is mended when it is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

State = dict[str, Any]


class _Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Of xgboost, as it lies on the path, with a loader that mends it."""
        spec = PathFinder.find_spec(fullname, path, target) if fullname == "xgboost" else None
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    def __init__(self, own: Loader) -> None:
        self._own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._own.exec_module(module)
        booster, trouble = module.Booster, module.core.XGBoostError
        booster.__setstate__ = _reading_old(booster.__setstate__, trouble)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)


def _reading_old(now: Callable[[Any, State], None], trouble: type[Exception]) -> Callable[[Any, State], None]:
    def set_state(self: Any, state: State) -> None:
        old = dict(state)
        try:
            now(self, state)
        except trouble:
            self.__init__(model_file=bytearray(old["handle"]))
            for name in ("feature_names", "feature_types"):
                setattr(self, name, old.get(name))
            if "best_iteration" in old:
                self.set_attr(best_iteration=str(old["best_iteration"]))

    return set_state


sys.meta_path.insert(0, _Finder())
