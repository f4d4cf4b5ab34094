from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sagelab.redirect import FOLDER

LOCAL = "http://127.0.0.1:9"
CLIENT = (
    "import boto3; client = boto3.client({service!r}, region_name='us-east-1', endpoint_url={url!r});"
    "print(client.meta.endpoint_url)"
)
STS = "https://sts.us-east-1.amazonaws.com"


def run(code: str, *folders: Path, endpoint: str | None = LOCAL) -> str:
    """What `code` prints in a Python of its own, with the redirect and `folders` on its path."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env |= {"AWS_ENDPOINT_URL": endpoint} if endpoint else {}
    env["PYTHONPATH"] = os.pathsep.join(map(str, (FOLDER, *folders)))
    return subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True).stdout


def test_sts_follows_the_local_cloud_despite_an_explicit_endpoint() -> None:
    assert run(CLIENT.format(service="sts", url=STS)).strip() == LOCAL


def test_sts_keeps_an_endpoint_that_is_not_awss() -> None:
    assert run(CLIENT.format(service="sts", url="http://127.0.0.1:5")).strip() == "http://127.0.0.1:5"


def test_sts_keeps_its_endpoint_where_no_local_cloud_is_named() -> None:
    assert run(CLIENT.format(service="sts", url=STS), endpoint=None).strip() == STS


def test_other_services_keep_an_explicit_endpoint() -> None:
    url = "https://s3.us-east-1.amazonaws.com"
    assert run(CLIENT.format(service="s3", url=url)).strip() == url


def test_a_botocore_that_was_imported_before_is_redirected_too() -> None:
    code = "import sitecustomize, sys; sys.meta_path.pop(0); import boto3; sitecustomize.install(); "
    assert run(code + CLIENT.format(service="sts", url=STS)).strip() == LOCAL


def test_installing_twice_redirects_once() -> None:
    code = (
        "import sitecustomize, botocore.session as s; sitecustomize.install(); sitecustomize.install();"
        "print(hasattr(s.Session.create_client.__wrapped__, 'redirects'))"
    )
    assert run(code).strip() == "False"


def test_the_sitecustomize_it_hides_still_runs(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('hidden one ran')")
    assert run("pass", tmp_path).strip() == "hidden one ran"


def test_a_python_without_boto3_pays_nothing_for_it() -> None:
    code = "import sys; print(sorted({'boto3', 'botocore', 'typing', 'pathlib', 'sagelab'} & set(sys.modules)))"
    env = {"PYTHONPATH": str(FOLDER)}
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import sitecustomize; {code}",
        ],
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "[]"
