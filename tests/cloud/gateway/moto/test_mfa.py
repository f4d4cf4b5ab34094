"""MFA devices: what they show counts once, for their own user, and is not to be guessed."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import segno
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from PIL import Image

from sagelab.cloud.gateway.moto import mfa
from sagelab.cloud.gateway.moto.persistence import pickles
from sagelab.cloud.gateway.moto.persistence.persister import Persister
from tests.trusts import TRUST

ACCOUNT = "123456789012"
NOW = 60_000_000  # steps since 1970
ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


class Owner:
    """A user with a key and a virtual device."""

    def __init__(self, gateway: Any, name: str, *statements: dict[str, Any]) -> None:
        self.gateway, self.name, self.iam = gateway, name, gateway.client("iam")
        self.arn = self.iam.create_user(UserName=name)["User"]["Arn"]
        if statements:
            document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            self.iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
        issued = self.iam.create_access_key(UserName=name)["AccessKey"]
        self.keys = {
            "aws_access_key_id": issued["AccessKeyId"],
            "aws_secret_access_key": issued["SecretAccessKey"],
        }
        self.device = self.iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"]
        self.serial = self.device["SerialNumber"]

    def code(self, later: int = 0) -> str:
        """What the device shows so many steps from now."""
        return shown(self.device["Base32StringSeed"], NOW + later)

    def wrong(self) -> str:
        near = {self.code(step) for step in range(-3, 4)}
        return next(code for code in ("000000", "111111", "222222", "333333") if code not in near)

    def enable(self, first: int = -2) -> None:
        codes = {"AuthenticationCode1": self.code(first), "AuthenticationCode2": self.code(first + 1)}
        self.iam.enable_mfa_device(UserName=self.name, SerialNumber=self.serial, **codes)

    def session(self, code: str, **changed: str) -> dict[str, str]:
        """Keys by GetSessionToken with a code."""
        sts = self.gateway.client("sts", **self.keys)
        issued = sts.get_session_token(**({"SerialNumber": self.serial, "TokenCode": code} | changed))
        return keys(issued["Credentials"])


def keys(issued: dict[str, str]) -> dict[str, str]:
    return {
        "aws_access_key_id": issued["AccessKeyId"],
        "aws_secret_access_key": issued["SecretAccessKey"],
        "aws_session_token": issued["SessionToken"],
    }


def shown(seed: bytes, step: int) -> str:
    return TOTP(base64.b32decode(seed), 6, SHA1(), 30, enforce_key_length=False).generate(step * 30).decode()


def refused(call: Callable[..., Any], *given: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as trouble:
        call(*given, **params)
    error = trouble.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time stands still for devices."""
    monkeypatch.setattr(mfa, "current_step", lambda: NOW)


@pytest.fixture
def owner(gateway: Any, unique: Callable[[str], str]) -> Callable[..., Owner]:
    return lambda *statements: Owner(gateway, unique("owner"), *statements)


def needs_mfa(action: str, **more: Any) -> dict[str, Any]:
    return ALLOW_ALL | {"Action": action, "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}} | more}


def test_device_has_a_seed_of_its_own_and_a_picture_of_it(owner: Callable[..., Owner]) -> None:
    one, other = owner(), owner()
    seed = one.device["Base32StringSeed"].decode()
    assert len(base64.b32decode(seed)) == 40
    assert seed != other.device["Base32StringSeed"].decode()
    picture = Image.open(io.BytesIO(one.device["QRCodePNG"]))
    expected = segno.make(f"otpauth://totp/{one.name}%40{ACCOUNT}?secret={seed}", micro=False)
    side = expected.symbol_size(scale=4)[0]
    assert (picture.format, picture.size) == ("PNG", (side, side))
    dark = picture.convert("1")
    quiet = 4 * 4
    read = [
        [dark.getpixel((quiet + 4 * x, quiet + 4 * y)) == 0 for x in range(len(expected.matrix))] for y in (0, 9)
    ]
    assert read == [[bool(cell) for cell in expected.matrix[y]] for y in (0, 9)]


def test_name_that_fits_in_no_picture_makes_no_device(gateway: Any) -> None:
    iam = gateway.client("iam")
    with pytest.raises(ClientError, match=r"ValidationError.*less than or equal to 226"):
        iam.create_virtual_mfa_device(VirtualMFADeviceName="n" * 5_000)
    found = iam.list_virtual_mfa_devices()["VirtualMFADevices"]
    assert not [one for one in found if one["SerialNumber"].endswith("nnn")]


def test_seed_is_shown_once(owner: Callable[..., Owner]) -> None:
    one = owner()
    listed = one.iam.list_virtual_mfa_devices(MaxItems=1000)["VirtualMFADevices"]
    found = next(each for each in listed if each["SerialNumber"] == one.serial)
    assert not {"Base32StringSeed", "QRCodePNG"} & found.keys()


def test_device_is_enabled_by_two_codes_that_it_shows(owner: Callable[..., Owner]) -> None:
    one = owner()
    enabling = {"UserName": one.name, "SerialNumber": one.serial}
    for codes in ((one.wrong(), one.code()), (one.code(), one.code(-1)), (one.code(), one.code())):
        pair = {"AuthenticationCode1": codes[0], "AuthenticationCode2": codes[1]}
        assert refused(one.iam.enable_mfa_device, **enabling, **pair) == (
            "InvalidAuthenticationCode",
            "Authentication code for device is not valid.",
        )
    assert one.iam.list_mfa_devices(UserName=one.name)["MFADevices"] == []
    one.enable()
    assert len(one.iam.list_mfa_devices(UserName=one.name)["MFADevices"]) == 1
    code, said = refused(one.enable, 0)
    assert (code, said) == ("EntityAlreadyExists", "MFA Device is already in use.")


def test_code_counts_once(owner: Callable[..., Owner]) -> None:
    one = owner()
    one.enable(-3)
    one.session(one.code())
    for replayed in (one.code(), one.code(-1)):
        code, said = refused(one.session, replayed)
        assert (code, said.strip()) == (
            "AccessDenied",
            "MultiFactorAuthentication failed with invalid MFA one time pass code.",
        )
    one.session(one.code(1))


def test_code_that_counted_is_written_down(owner: Callable[..., Owner]) -> None:
    """So that it counts once after a kill as well."""
    one = owner()
    one.enable(-3)
    one.session(one.code())
    current = Persister.current
    assert current is not None
    rows = current._db.rows("SELECT account, region, state FROM backends WHERE service='iam'")
    states = [current._opened(("iam", account, region), state) for account, region, state in rows]
    devices = [pickles.load(state)["virtual_mfa_devices"] for state in states]
    assert [kept[one.serial].last_step for kept in devices if one.serial in kept] == [NOW]


def test_codes_that_enabled_a_device_are_used(owner: Callable[..., Owner]) -> None:
    one = owner()
    one.enable(-1)
    assert refused(one.session, one.code())[0] == "AccessDenied"


def test_of_two_who_show_a_code_at_once_one_is_let_in(owner: Callable[..., Owner]) -> None:
    one = owner()
    one.enable(-3)
    code = one.code()

    def enter(_: int) -> bool:
        try:
            return bool(one.session(code))
        except ClientError:
            return False

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(enter, range(4))) == 1


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/nobodys"}, "AccessDenied", "unable to validate MFA code"),
        ({"TokenCode": "12345x"}, "ValidationError", "tokenCode"),
        ({"SerialNumber": "GAHT 12345678"}, "ValidationError", "serialNumber"),
    ],
)
def test_what_is_no_code_of_a_user_is_refused(
    owner: Callable[..., Owner], changed: dict[str, str], code: str, words: str
) -> None:
    one = owner()
    one.enable()
    found, said = refused(one.session, one.code(), **changed)
    assert (found, words in said) == (code, True)


def test_another_users_device_is_none(owner: Callable[..., Owner]) -> None:
    one, other = owner(), owner()
    one.enable()
    other.enable()
    code, said = refused(one.session, other.code(), SerialNumber=other.serial)
    assert (code, "associated with this user" in said) == ("AccessDenied", True)
    own = one.gateway.client("sts").get_session_token
    assert refused(own, SerialNumber=one.serial, TokenCode=one.code())[0] == "AccessDenied"


@pytest.mark.parametrize("left", ["SerialNumber", "TokenCode"])
def test_both_or_none(owner: Callable[..., Owner], left: str) -> None:
    one = owner()
    one.enable()
    given = {"SerialNumber": one.serial, "TokenCode": one.code()}
    sts = one.gateway.client("sts", **one.keys)
    code, said = refused(sts.get_session_token, **{left: given[left]})
    assert (code, "must provide both" in said) == ("AccessDenied", True)


def test_guesses_are_limited(owner: Callable[..., Owner]) -> None:
    one, other = owner(), owner()
    one.enable(-3)
    other.enable(-3)
    for _ in range(mfa.MOST):
        assert refused(one.session, one.wrong())[0] == "AccessDenied"
    assert refused(one.session, one.code()) == ("Throttling", "Rate exceeded")
    pair = {"AuthenticationCode1": one.code(), "AuthenticationCode2": one.code(1)}
    assert (
        refused(one.iam.resync_mfa_device, UserName=one.name, SerialNumber=one.serial, **pair)[0] == "Throttling"
    )
    other.session(other.code())


def test_limit_passes_with_time() -> None:
    now = [0.0]
    attempts = mfa.Attempts(lambda: now[0])
    for second in range(mfa.MOST):
        now[0] = second
        attempts.admit("serial")
        attempts.count("serial")
    with pytest.raises(mfa.TooManyCodes):
        attempts.admit("serial")
    now[0] = mfa.PAUSE
    attempts.admit("serial")


def test_session_with_a_code_may_what_needs_one(owner: Callable[..., Owner]) -> None:
    one = owner(needs_mfa("s3:ListAllMyBuckets"))
    one.enable(-3)
    buckets = "list_buckets"
    plain = keys(one.gateway.client("sts", **one.keys).get_session_token()["Credentials"])
    for held in (one.keys, plain):
        assert refused(getattr(one.gateway.client("s3", **held), buckets))[0] == "AccessDenied"
    one.gateway.client("s3", **one.session(one.code())).list_buckets()


def test_deny_without_mfa_holds_for_long_term_keys_by_if_exists_alone(owner: Callable[..., Owner]) -> None:
    """With long-term keys the condition key is not there, so a plain Bool does not hold."""

    def denying(operator: str) -> Owner:
        unless = {operator: {"AWS:multifactorauthPRESENT": False}}
        return owner(ALLOW_ALL, ALLOW_ALL | {"Effect": "Deny", "Condition": unless})

    def listed(one: Owner, held: dict[str, str]) -> Any:
        return one.gateway.client("s3", **held).list_buckets()

    strict, lax = denying("BoolIfExists"), denying("Bool")
    listed(lax, lax.keys)
    assert refused(listed, strict, strict.keys)[0] == "AccessDenied"
    strict.enable(-3)
    listed(strict, strict.session(strict.code()))


def test_age_of_a_code_is_counted(owner: Callable[..., Owner]) -> None:
    young = {"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}
    one = owner(
        needs_mfa("s3:ListAllMyBuckets", **young),
        needs_mfa("sqs:ListQueues", NumericGreaterThan={"aws:MultiFactorAuthAge": "3600"}),
    )
    one.enable(-3)
    held = one.session(one.code())
    one.gateway.client("s3", **held).list_buckets()
    assert refused(one.gateway.client("sqs", **held).list_queues)[0] in ("AccessDenied", "AccessDeniedException")


def trust(gateway: Any, name: str, condition: dict[str, Any]) -> str:
    statement = json.loads(TRUST)["Statement"][0] | {"Condition": condition}
    statement["Principal"] = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    iam = gateway.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    found = json.dumps({"Version": "2012-10-17", "Statement": [needs_mfa("s3:*")]})
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=found)
    return str(arn)


def test_role_that_trusts_a_code_alone(owner: Callable[..., Owner], unique: Callable[[str], str]) -> None:
    one = owner(ALLOW_ALL)
    role = trust(one.gateway, unique("guarded"), {"Bool": {"aws:MultiFactorAuthPresent": "true"}})
    one.enable(-3)
    sts = one.gateway.client("sts", **one.keys)
    asked = {"RoleArn": role, "RoleSessionName": "MultiFactorAuthPresent=true,mfa"}
    assert refused(sts.assume_role, **asked)[0] == "AccessDenied"
    shown = {"SerialNumber": one.serial, "TokenCode": one.wrong()}
    assert refused(sts.assume_role, **asked, **shown)[0] == "AccessDenied"
    issued = sts.assume_role(**asked, **shown | {"TokenCode": one.code()})["Credentials"]
    # The keys of the role do not say so any more, as on AWS.
    assert refused(one.gateway.client("s3", **keys(issued)).list_buckets)[0] == "AccessDenied"
    one.gateway.client("sts", **one.session(one.code(1))).assume_role(**asked)


def test_tags_and_names_do_not_stand_for_a_code(owner: Callable[..., Owner]) -> None:
    one = owner(needs_mfa("s3:ListAllMyBuckets"))
    one.iam.tag_user(UserName=one.name, Tags=[{"Key": "aws-MultiFactorAuthPresent", "Value": "true"}])
    plain = keys(one.gateway.client("sts", **one.keys).get_session_token()["Credentials"])
    s3 = one.gateway.client("s3", **plain)
    s3.meta.events.register(
        "before-sign.s3.ListBuckets",
        lambda request, **_: request.headers.add_header("aws-MultiFactorAuthPresent", "true"),
    )
    assert refused(s3.list_buckets)[0] == "AccessDenied"


def test_session_outlives_its_device(owner: Callable[..., Owner]) -> None:
    """As on AWS: what was proved stays proved until the session ends."""
    one = owner(needs_mfa("s3:ListAllMyBuckets"))
    one.enable(-3)
    held = one.session(one.code())
    code, said = refused(one.iam.delete_virtual_mfa_device, SerialNumber=one.serial)
    assert (code, said) == ("DeleteConflict", "MFA VirtualDevice in use. Must deactivate first.")
    assert refused(one.iam.delete_user, UserName=one.name)[0] == "DeleteConflict"
    one.iam.deactivate_mfa_device(UserName=one.name, SerialNumber=one.serial)
    one.gateway.client("s3", **held).list_buckets()
    assert refused(one.session, one.code(1))[0] == "AccessDenied"
    one.iam.delete_virtual_mfa_device(SerialNumber=one.serial)


def test_device_whose_clock_is_off_is_resynchronised(owner: Callable[..., Owner]) -> None:
    one = owner()
    one.enable(-3)
    far = 40
    assert refused(one.session, one.code(far))[0] == "AccessDenied"
    asked = {"UserName": one.name, "SerialNumber": one.serial}
    pair = {"AuthenticationCode1": one.code(far), "AuthenticationCode2": one.code(far + 1)}
    assert refused(one.iam.resync_mfa_device, **asked, **pair | {"AuthenticationCode2": one.wrong()})[0] == (
        "InvalidAuthenticationCode"
    )
    one.iam.resync_mfa_device(**asked, **pair)
    one.session(one.code(far + 2))
    assert refused(one.session, one.code())[0] == "AccessDenied"
    wrong = asked | {"SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/other"}
    assert refused(one.iam.resync_mfa_device, **wrong, **pair)[0] == "NoSuchEntity"
