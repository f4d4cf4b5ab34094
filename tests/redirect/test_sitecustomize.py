from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from sagelab.redirect import FOLDER
from tests.conftest import LocalCloud

BLOCKS = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
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
    code = "import sitecustomize, sys; sys.meta_path[:3] = []; import boto3; sitecustomize.install(); "
    assert run(code + CLIENT.format(service="sts", url=STS)).strip() == LOCAL


@pytest.mark.parametrize(
    "first", ["", "import sitecustomize, sys; sys.meta_path[:3] = []; import jsonschema; sitecustomize.install()"]
)
def test_a_schema_is_checked_once_and_what_does_not_fit_it_is_refused_each_time(first: str) -> None:
    code = first + textwrap.dedent("""
        import jsonschema
        checked = []
        jsonschema.Draft202012Validator.check_schema = classmethod(lambda *_: checked.append(1))
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "string"}
        for instance in ("a", "b", 3, "c", 4):
            try:
                jsonschema.validate(instance, schema)
                print(instance)
            except jsonschema.ValidationError as error:
                print(error.message)
        print(len(checked))
    """)
    refused = ["3 is not of type 'string'", "4 is not of type 'string'"]
    assert run(code).splitlines() == ["a", "b", refused[0], "c", refused[1], "1"]


def test_parsers_of_addresses_are_built_when_one_is_asked_for() -> None:
    code = textwrap.dedent("""
        import sys, jsonschema
        print("lark" in sys.modules)
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        print(checker.conforms("https://example.org/\u00e4", "iri"), checker.conforms("https:// ", "iri"))
        import rfc3987_syntax
        print(rfc3987_syntax.RFC3987_SYNTAX_PARSER_TYPE, hasattr(rfc3987_syntax, "nothing"))
    """)
    assert run(code).splitlines() == ["False", "True False", "earley False"]


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


def test_account_before_the_host_leads_to_the_local_cloud(cloud: LocalCloud) -> None:
    ask = f"""import boto3
        client, account = boto3.client("s3control"), dict(AccountId="123456789012")
        client.put_public_access_block(PublicAccessBlockConfiguration={BLOCKS}, **account)
        print(client.get_public_access_block(**account)["PublicAccessBlockConfiguration"] == {BLOCKS})
        client.delete_public_access_block(**account)"""
    assert python(cloud, ask) == "True"


@pytest.mark.parametrize("setting", ["true", "false"])
@pytest.mark.parametrize("url", [None, "localhost"])
def test_word_before_the_host_leads_to_the_local_cloud(
    cloud: LocalCloud, unique: Callable[[str], str], setting: str, url: str | None
) -> None:
    discovery, name = cloud.client("servicediscovery"), unique("space")
    discovery.create_http_namespace(Name=name)
    ask = f"""import boto3
        print(boto3.client("servicediscovery").discover_instances(NamespaceName="{name}", ServiceName="no"))"""
    more = {"AWS_ENDPOINT_URL": cloud.url.replace("127.0.0.1", url)} if url else {}
    said = python(cloud, ask, AWS_DISABLE_HOST_PREFIX_INJECTION=setting, **more, check=False)
    assert "EndpointConnectionError" not in said
    assert "ServiceNotFound" in said


def python(cloud: LocalCloud, code: str, *, check: bool = True, **variables: str) -> str:
    """What a program says, pointed at the local cloud as by `sagelab exec`."""
    command = [sys.executable, "-c", textwrap.dedent(" " * 8 + code)]
    done = subprocess.run(command, env=cloud.env | variables, capture_output=True, text=True, check=check)
    return (done.stdout + done.stderr).strip()


def test_bucket_in_the_name_of_a_host_stays_there() -> None:
    code = (
        "import boto3; from botocore.config import Config; c = Config(s3={'addressing_style': 'virtual'});"
        "keys = dict(aws_access_key_id='a', aws_secret_access_key='b', region_name='us-east-1', config=c);"
        "client = boto3.client('s3', **keys);"
        "client.meta.events.register('before-send', lambda request, **_: print(request.url) or exit());"
        "client.head_object(Bucket='bucket', Key='key')"
    )
    assert run(code, endpoint="http://localhost:9").strip() == "http://bucket.localhost:9/key"


PROFILES = [
    "boto3.Session(profile_name='work')",
    "boto3.Session(profile_name='default')",
    "boto3.Session(botocore_session=botocore.session.Session(profile='work'))",
    "os.environ.update(AWS_PROFILE='work') or boto3.Session()",
]


@pytest.mark.parametrize("session", PROFILES)
def test_a_profile_that_is_in_no_file_here_is_forgotten(cloud: LocalCloud, session: str) -> None:
    code = f"import boto3, botocore.session, os; print({session}.client('sts').get_caller_identity()['Account'])"
    done = subprocess.run([sys.executable, "-c", code], env=cloud.env, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "123456789012"
    assert "AWS is the local cloud here, with its own keys; not those of the profile" in done.stderr


def test_a_profile_that_is_in_a_file_here_is_used(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[profile work]\nregion = eu-west-3\n")
    code = (
        f"import boto3, os; os.environ['AWS_CONFIG_FILE'] = {str(tmp_path / 'config')!r};"
        "print(boto3.Session(profile_name='work').region_name)"
    )
    assert run(code).strip() == "eu-west-3"


def test_a_profile_is_looked_up_where_no_local_cloud_is_named() -> None:
    code = (
        "import boto3, os; os.environ['AWS_CONFIG_FILE'] = os.devnull\n"
        "try:\n    boto3.Session(profile_name='work')\nexcept Exception as error:\n    print(type(error).__name__)"
    )
    assert run(code, endpoint=None).strip() == "ProfileNotFound"
