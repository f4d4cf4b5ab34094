"""Makes every client follow AWS_ENDPOINT_URL to where it leads.

Most find the local cloud by that alone. Both SageMaker SDKs ask STS for the account with an explicit
`endpoint_url`, which would reach for the internet; and some operations put a word before the endpoint's host
(123456789012.127.0.0.1 for S3 Control, data-127.0.0.1 for Cloud Map), which is a name of nobody's. So the one
function of botocore that makes clients drops that endpoint again, and has each request go to the host that is
named, before it is signed. A profile of the user's own AWS files, which are left out here, is forgotten. Python
runs this file by itself in every process that has its folder on PYTHONPATH: it imports nothing but the standard
library, costs about a millisecond, and afterwards runs the `sitecustomize` it hides, if there is one.

Both SDKs are given settings, which switch their telemetry off, and check them and the schema of all settings at
every look: a third of a second, dozens of times for one endpoint. A schema is checked once here. What checks it
builds parsers of addresses in other scripts at its import, which is half of SDK v3's own: here they are built when
somebody asks for one.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder

TYPE_CHECKING = False  # importing `typing` would cost more than all the rest
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

TARGET, SCHEMAS, PARSERS = "botocore.session", "jsonschema.validators", "rfc3987_syntax"
HERE = ("127.0.0.1", "localhost")
AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


def install() -> None:
    """Redirect botocore in this process, now or once it is imported. Calling it again changes nothing."""
    for name, change in ((TARGET, _redirect), (SCHEMAS, _check_once)):
        if name in sys.modules:
            change(sys.modules[name])
        elif not any(getattr(finder, "redirects", None) == name for finder in sys.meta_path):
            sys.meta_path.insert(0, _Finder(name, _after(change)))
    if PARSERS not in sys.modules and not any(getattr(f, "redirects", None) == PARSERS for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder(PARSERS, _parse_late))


class _Finder:
    """Finds a module as anyone would, and runs it in another way.

    run: is given the module's own way, and the module.
    """

    def __init__(self, redirects: str, run: Any) -> None:
        self.redirects, self._run = redirects, run

    def find_spec(self, name: str, path: Any = None, _: ModuleType | None = None) -> ModuleSpec | None:
        if name != self.redirects:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            _run_by(spec.loader, self._run)
        return spec


def _run_by(loader: Any, run: Any) -> None:
    own = loader.exec_module
    loader.exec_module = lambda module: run(own, module)


def _after(change: Any) -> Any:
    """A way to run a module that changes it then."""

    def run(own: Any, module: ModuleType) -> None:
        own(module)
        change(module)

    return run


def _parse_late(own: Any, module: Any) -> None:
    """Run the module of the parsers when something of it is asked for. is_valid_syntax: what is imported of it."""

    def find(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        own(module)
        vars(module).pop("__getattr__", None)
        return getattr(module, name)

    def is_valid_syntax(term: str, value: str) -> Any:
        if module.is_valid_syntax is is_valid_syntax:
            find("parse")
        return module.is_valid_syntax(term, value)

    module.__getattr__, module.is_valid_syntax = find, is_valid_syntax


def _check_once(module: Any) -> None:
    """Let `validate` take a schema for sound that it has found sound before."""
    complete = module.validate
    if getattr(complete, "redirects", None):
        return
    sound: dict[int, Any] = {}  # by identity, and held: no other object gets its number
    most = 100  # that are held: some programs make a schema for every look

    def validate(instance: Any, schema: Any, *args: Any, **options: Any) -> None:
        if args or options or id(schema) not in sound:
            complete(instance, schema, *args, **options)
            if not (args or options) and len(sound) < most:
                sound[id(schema)] = schema
            return
        error = module.exceptions.best_match(module.validator_for(schema)(schema).iter_errors(instance))
        if error is not None:
            raise error

    validate.redirects = SCHEMAS  # type: ignore[attr-defined]
    validate.__doc__ = complete.__doc__
    loaded: list[Any] = [module, sys.modules.get("jsonschema")]  # which has it too, where it is loaded already
    for each in loaded:
        if getattr(each, "validate", None) is complete:
            each.validate = validate


def _redirect(module: Any) -> None:
    create = module.Session.create_client
    if getattr(create, "redirects", None):
        return

    def create_client(self: Any, service_name: str, *args: Any, **options: Any) -> Any:
        if service_name == "sts" and "AWS_ENDPOINT_URL" in os.environ and _is_aws(options.get("endpoint_url")):
            options["endpoint_url"] = None
        client = create(self, service_name, *args, **options)
        if service_name != "s3":  # whose host may name a bucket, which the path then does not
            client.meta.events.register_first("before-sign", _drop_prefix)
        return client

    create_client.redirects = TARGET  # type: ignore[attr-defined]
    create_client.__doc__, create_client.__wrapped__ = create.__doc__, create  # type: ignore[attr-defined]
    module.Session.create_client = create_client
    module.Session.get_scoped_config = _without_profile(module.Session.get_scoped_config)


def _without_profile(get_scoped_config: Any) -> Any:
    """A session whose profile is in none of the files that are read has the keys of the environment instead."""

    def forgetting(self: Any) -> Any:
        name = self.get_config_variable("profile")
        if name and _is_local() and name not in self.available_profiles:
            self.set_config_variable("profile", None)
            for variable in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
                os.environ.pop(variable, None)
            print(
                f"sagelab: AWS is the local cloud here, with its own keys; not those of the profile {name!r}.",
                file=sys.stderr,
            )
        return get_scoped_config(self)

    return forgetting


def _drop_prefix(request: Any, **_: Any) -> None:
    """Send a request for a name that begins with more than the local cloud's host to that host."""
    from urllib.parse import urlsplit

    endpoint, asked = os.environ.get("AWS_ENDPOINT_URL", ""), urlsplit(request.url)
    host = urlsplit(endpoint).netloc
    if asked.netloc != host and asked.netloc.endswith(host) and urlsplit(endpoint).hostname in HERE:
        request.url = asked._replace(netloc=host).geturl()


def _is_local() -> bool:
    from urllib.parse import urlsplit

    return urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname in HERE


def _is_aws(url: str | None) -> bool:
    from urllib.parse import urlsplit

    return (urlsplit(url or "").hostname or "").endswith(AWS_HOSTS)


def _run_hidden() -> None:
    """Run the sitecustomize that this one stands in front of."""
    here = os.path.dirname(os.path.abspath(__file__))
    spec = PathFinder.find_spec("sitecustomize", [p for p in sys.path if os.path.abspath(p) != here])
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(_module_of(spec))


def _module_of(spec: ModuleSpec) -> ModuleType:
    from importlib.util import module_from_spec

    return module_from_spec(spec)


if __name__ == "sitecustomize":
    install()
    _run_hidden()
