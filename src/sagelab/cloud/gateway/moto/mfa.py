"""Virtual MFA devices: their seeds, what they show as a QR code, and the codes that count. RFC 6238.

moto draws a seed from a generator that can be foretold, shows it to whoever lists devices, and takes any code.
What is known of a device beside moto's members (the last code that was taken, how far its clock is off) is kept
with it.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_enable_virtual.html
"""

from __future__ import annotations

import base64
import hmac
import io
import re
import secrets
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import segno
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from moto.backends import get_backend
from moto.iam.exceptions import DeleteConflictException, EntityAlreadyExists

from sagelab.cloud.errors import AccessDenied, NoSuchEntity, NotImplementedHere, ServiceError, ValidationError

Asked = dict[str, Any]

STEP = 30  # seconds that a code is shown
WINDOW = range(-1, 2)  # codes before and after the present one that are taken: clocks differ, people type
ENABLING = range(-3, 2)  # of these, two that follow one another
RESYNC = range(-120, 121)  # the same for a device whose clock is off: an hour
MOST, PAUSE = 5, 300  # wrong codes of one device in so many seconds; more are not even looked at
_SEED = 40  # bytes: 64 characters in base 32

_LONGEST_NAME = 226  # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateVirtualMFADevice.html

_CODE, _SERIAL = re.compile(r"[0-9]{6}"), re.compile(r"[\w+=/:,.@-]{9,256}", re.ASCII)
_NO_DEVICE = "A device of its own is not something the local cloud can check. Use a virtual one."
_WRONG_CODE = "Authentication code for device is not valid."
_WRONG = "MultiFactorAuthentication failed with invalid MFA one time pass code. "
_NOT_HIS = (
    "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid"
    " and associated with this user."
)
_HALF = "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
_FORM = (
    "1 validation error detected: Value '{}' at '{}' failed to satisfy constraint:"
    " Member must satisfy regular expression pattern: {}"
)
_LONG = (
    "1 validation error detected: Value '{}' at 'virtualMFADeviceName' failed to satisfy constraint:"
    " Member must have length less than or equal to {}"
)

_lock = threading.Lock()  # a code is looked at and taken in one turn


class InvalidAuthenticationCode(ServiceError):
    """Two codes that a device does not show one after the other."""

    code = "InvalidAuthenticationCode"
    status = 403


class TooManyCodes(ServiceError):
    """More wrong codes than are looked at."""

    code = "Throttling"


class Attempts:
    """Wrong codes of late, by device. clock: seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MOST))

    def admit(self, serial: str) -> None:
        """TooManyCodes: there were so many wrong ones that this one is not looked at."""
        found = self._wrong.get(serial)
        if found and len(found) == MOST and self._clock() - found[0] < PAUSE:
            raise TooManyCodes("Rate exceeded")

    def count(self, serial: str) -> None:
        self._wrong[serial].append(self._clock())

    def forget(self, serial: str) -> None:
        self._wrong.pop(serial, None)


attempts = Attempts()


def make(asked: Asked) -> Callable[[Any], None]:
    """A device that moto has just made gets a seed of its own and a QR code that shows it.

    ValidationError: its name is longer than one may be.
    """
    if len(str(asked["device_name"])) > _LONGEST_NAME:
        raise ValidationError(_LONG.format(str(asked["device_name"])[:100], _LONGEST_NAME))

    def equip(device: Any) -> None:
        device.base32_string_seed = base64.b32encode(secrets.token_bytes(_SEED)).decode()
        account, name = device.serial_number.split(":")[4], device.serial_number.rpartition("/")[2]
        device.qr_code_png = qr_code(name, account, device.base32_string_seed)

    return equip


def qr_code(name: str, account: str, seed: str) -> bytes:
    """A PNG of the address that authenticator apps read.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_VirtualMFADevice.html
    """
    picture = io.BytesIO()
    address = f"otpauth://totp/{quote(f'{name}@{account}')}?secret={seed}"
    segno.make(address, micro=False).save(picture, kind="png", scale=4)
    return picture.getvalue()


def hide_seeds(_asked: Asked) -> Callable[[Any], None]:
    """A seed and its QR code are shown once, to who makes a device; never in a list."""

    def hide(made: Any) -> None:
        made.result["VirtualMFADevices"] = [
            {"SerialNumber": one.serial_number, "EnableDate": one.enable_date, "User": one.user_attribute}
            for one in made.result["VirtualMFADevices"]
        ]

    return hide


def check_enabling(asked: Asked) -> None:
    """A device is enabled by two codes that it shows one after the other, and is one user's alone.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_EnableMFADevice.html
    """
    serial = str(asked["serial_number"])
    device = asked["self"].virtual_mfa_devices.get(serial)
    if device is None:
        raise NotImplementedHere(_NO_DEVICE)
    if device.enable_date is not None:
        raise EntityAlreadyExists("MFA Device is already in use.")
    device.drift = 0
    _take_pair(device, ENABLING, str(asked["authentication_code_1"]), str(asked["authentication_code_2"]))


def check_removal(asked: Asked) -> None:
    """DeleteConflict: a user still has the device."""
    device = asked["self"].virtual_mfa_devices.get(asked["serial_number"])
    if device is not None and device.enable_date is not None:
        raise DeleteConflictException("MFA VirtualDevice in use. Must deactivate first.")


def check_user(asked: Asked) -> None:
    """DeleteConflict: a user who goes still has a device."""
    user = asked["self"].users.get(asked["user_name"])
    if user is not None and user.mfa_devices:
        raise DeleteConflictException("Cannot delete entity, must delete MFA device first.")


def resync(account: str, form: dict[str, str]) -> None:
    """Learn from two codes how far a device's clock is off. NoSuchEntity, InvalidAuthenticationCode.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_ResyncMFADevice.html
    """
    backend, name, serial = get_backend("iam")[account]["aws"], form.get("UserName", ""), form.get("SerialNumber")
    user = backend.users.get(name)
    if user is None:
        raise NoSuchEntity(f"The user with name {name} cannot be found.")
    device = backend.virtual_mfa_devices.get(serial) if serial in user.mfa_devices else None
    if device is None:
        raise NoSuchEntity("MFA device with the specified serial number does not exist.")
    now = current_step()
    _take_pair(device, RESYNC, form.get("AuthenticationCode1", ""), form.get("AuthenticationCode2", ""))
    device.drift = device.last_step - now


def authenticate(user: str, serial: str, code: str) -> None:
    """Take the code of a user's device. AccessDenied: it is none. ValidationError: it has not the form of one.

    user: the ARN of who calls. serial, code: one that is left out is "".
    """
    if not (serial and code):
        raise AccessDenied(_HALF)
    for value, member, form in ((serial, "serialNumber", _SERIAL), (code, "tokenCode", _CODE)):
        if not form.fullmatch(value):
            raise ValidationError(_FORM.format(value[:100], member, form.pattern))
    backend = get_backend("iam")[user.split(":")[4]]["aws"]
    found = next((one for one in list(backend.users.values()) if one.arn == user), None)
    device = backend.virtual_mfa_devices.get(serial) if found and serial in found.mfa_devices else None
    if device is None:
        raise AccessDenied(_NOT_HIS)
    with _lock:
        attempts.admit(serial)
        now = current_step() + getattr(device, "drift", 0)
        free = [now + late for late in WINDOW if now + late > getattr(device, "last_step", 0)]
        shown = next((step for step in free if _shows(device, step, code)), None)
        if shown is None:
            attempts.count(serial)
            raise AccessDenied(_WRONG)
        device.last_step = shown
        attempts.forget(serial)


def _take_pair(device: Any, window: range, first: str, second: str) -> None:
    """Take two codes that a device shows one after the other. InvalidAuthenticationCode: they are none."""
    with _lock:
        attempts.admit(device.serial_number)
        now, used = current_step(), getattr(device, "last_step", 0)
        for step in sorted((now + late for late in window if now + late > used), key=lambda step: abs(step - now)):
            if _shows(device, step, first) and _shows(device, step + 1, second):
                device.last_step = step + 1
                attempts.forget(device.serial_number)
                return
        attempts.count(device.serial_number)
        raise InvalidAuthenticationCode(_WRONG_CODE)


def _shows(device: Any, step: int, code: str) -> bool:
    seed = base64.b32decode(device.base32_string_seed)
    shown = TOTP(seed, 6, SHA1(), STEP, enforce_key_length=False).generate(step * STEP)
    return hmac.compare_digest(shown, code.encode())


def current_step() -> int:
    """How many times devices have changed what they show since 1970."""
    return int(time.time()) // STEP
