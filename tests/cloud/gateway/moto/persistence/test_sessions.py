from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from moto.core.utils import utcnow
from moto.iam.models import AccessKey, iam_backends
from moto.sts.models import AssumedRole

from sagelab.cloud import control
from sagelab.cloud.gateway.moto.persistence import pickles, sessions
from sagelab.cloud.gateway.moto.persistence.database import Database
from sagelab.cloud.gateway.moto.persistence.sessions import Sessions
from sagelab.cloud.home import Home
from sagelab.cloud.master import Master
from tests import clouds, signers
from tests.conftest import LocalCloud
from tests.trusts import TRUST

ACCOUNT = "210987654321"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "services.db")
    yield made
    made.close()


@pytest.fixture
def master(tmp_path: Path) -> Master:
    return Master(tmp_path)


def backend(*roles: Any) -> Any:
    return SimpleNamespace(account_id=ACCOUNT, region_name="aws", assumed_roles=list(roles))


def session(name: str = "s") -> Any:
    key = AccessKey(user_name=None, prefix="ASIA", account_id=ACCOUNT)
    iam_backends[ACCOUNT]["aws"].access_keys[key.access_key_id] = key
    return AssumedRole(ACCOUNT, "us-east-1", key, name, ROLE, "", 3600, "")


def names(held: Any) -> list[str]:
    return [one.session_name for one in held.assumed_roles]


def read(database: Database, master: Master) -> Any:
    again = backend()
    Sessions(database, master).restore(again)
    return again


def test_a_session_comes_back_with_its_keys_and_no_other_is_written_again(
    database: Database, master: Master
) -> None:
    kept, held = Sessions(database, master), backend(session("a"), session("b"))
    assert kept.keep(held)
    before = database.rows("SELECT state FROM sessions ORDER BY rowid")
    held.assumed_roles.append(session("c"))
    assert kept.keep(held)
    assert database.rows("SELECT state FROM sessions ORDER BY rowid")[:2] == before
    assert not kept.keep(held)
    again = read(database, master)
    assert names(again) == ["a", "b", "c"]
    for one, other in zip(held.assumed_roles, again.assumed_roles, strict=True):
        assert one.secret_access_key == other.secret_access_key
        assert one.access_key.role_arn == other.access_key.role_arn


def test_no_secret_stands_in_the_home_as_it_is(database: Database, master: Master) -> None:
    held = backend(session())
    Sessions(database, master).keep(held)
    ((state,),) = database.rows("SELECT state FROM sessions")
    assert held.assumed_roles[0].secret_access_key.encode() not in state
    assert ROLE.encode() not in state


def test_a_session_that_is_over_has_no_row_and_no_key(database: Database, master: Master) -> None:
    kept, held = Sessions(database, master), backend(session("a"), session("b"))
    kept.keep(held)
    over = held.assumed_roles[0]
    sessions.forget(held, over)
    held.assumed_roles.append(session("c"))
    assert kept.keep(held)
    assert names(read(database, master)) == ["b", "c"]
    assert over.access_key_id not in iam_backends[ACCOUNT]["aws"].access_keys


def test_what_cannot_be_written_is_taken_back(
    database: Database, master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, held = Sessions(database, master), backend(session("a"))
    kept.keep(held)
    held.assumed_roles.append(new := session("b"))

    def refuse() -> Any:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(database, "transaction", refuse)
    with pytest.raises(sqlite3.OperationalError):
        kept.keep(held)
    kept.reload(held)
    assert names(held) == ["a"]
    assert new.access_key_id not in iam_backends[ACCOUNT]["aws"].access_keys


def test_sessions_of_a_home_of_before_they_had_rows_get_them(database: Database, master: Master) -> None:
    earlier = backend(session("a"), session("b"))
    kept = Sessions(database, master)
    kept.restore(earlier)
    assert names(earlier) == ["a", "b"]
    earlier.assumed_roles.append(session("c"))
    assert kept.keep(earlier)
    assert names(read(database, master)) == ["a", "b", "c"]


@pytest.fixture
def cloud(home: Home) -> LocalCloud:
    return clouds.start(home)


def states(home: Home) -> dict[str, bytes]:
    """What STS and IAM have as one value in the home."""
    with closing(sqlite3.connect(f"file:{home.path / 'services.db'}?mode=ro", uri=True)) as db:
        sql = "SELECT service, state FROM backends WHERE service IN ('sts', 'iam') AND region='aws' AND account=?"
        return dict(db.execute(sql, (home.account,)))


def policy_of(name: str) -> str:
    return f"arn:aws:iam::aws:policy/{name}"


def client(cloud: LocalCloud, keys: dict[str, Any], service: str) -> Any:
    """A client of a session's."""
    own = signers.session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    return own.client(service, endpoint_url=cloud.url)


@pytest.mark.slow
def test_a_session_writes_neither_iam_nor_the_sessions_before_it(cloud: LocalCloud) -> None:
    """And is good after a restart, in a home where IAM was written since."""
    iam, sts = cloud.client("iam"), cloud.client("sts")
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    asked = {"RoleArn": role, "RoleSessionName": "first"}
    first = sts.assume_role(**asked)["Credentials"]
    before = states(cloud.home)
    assert before.keys() == {"sts", "iam"}
    last = [sts.assume_role(**asked)["Credentials"] for _ in range(5)][-1]
    assert states(cloud.home) == before
    iam.attach_role_policy(RoleName="r", PolicyArn=policy_of("AmazonS3FullAccess"))
    limits = [{"arn": policy_of("AmazonS3ReadOnlyAccess")}]  # which IAM knows when it is first named
    limited = sts.assume_role(**asked, PolicyArns=limits)["Credentials"]
    control.down(cloud.home)
    again = clouds.start(cloud.home)
    for keys in (first, last, limited):
        caller = client(again, keys, "sts").get_caller_identity()
        assert caller["Arn"].endswith(":assumed-role/r/first")
    assert "Buckets" in client(again, limited, "s3").list_buckets()
    name = f"iam/{cloud.home.account}/aws".encode()
    state = pickles.load(Master(cloud.home.path).unwrap(states(cloud.home)["iam"][1:], name))
    assert not [key for key in state["access_keys"] if key.startswith("ASIA")]


def test_a_session_is_forgotten_an_hour_after_its_end(database: Database, master: Master) -> None:
    from sagelab.cloud.gateway.moto.sessions import _forget

    held = backend(session("over"), session("told"), session("good"))
    for one, hours in zip(held.assumed_roles, (-2, -0.5, 1), strict=True):
        one.expiration = utcnow() + timedelta(hours=hours)
    Sessions(database, master).keep(held)
    _forget(held)
    assert names(held) == ["told", "good"]
