"""The check digits of numbers that stand for somebody: whether one can be such a number at all."""

from __future__ import annotations

import re
import string
from functools import reduce

# Letters and digits of an IBAN, by country: SWIFT's registry.
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FO FI GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM TL SO",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}
# How long the numbers of cards are, by their first four digits: ISO/IEC 7812, issuers' ranges.
_CARDS = {
    str(start): lengths
    for first, last, lengths in (
        (2221, 2720, (16,)),
        (3000, 3059, (14,)),
        (3400, 3499, (15,)),
        (3528, 3589, (16,)),
        (3600, 3699, (14,)),
        (3700, 3799, (15,)),
        (3800, 3899, (14,)),
        (4000, 4999, (19, 16, 13)),
        (5100, 5599, (16,)),
        (6011, 6011, (19, 18, 17, 16)),
        (6200, 6299, (19, 18, 17, 16)),
        (6440, 6599, (19, 18, 17, 16)),
    )
    for start in range(first, last + 1)
}
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")
_OF_LETTERS = str.maketrans({letter: str(int(letter, 36)) for letter in string.ascii_letters})
_GROUPS = re.compile(r"[0-9](?:[ -]*[0-9])*")
_VIN_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", [*range(1, 9), *range(1, 6), 7, 9, *range(2, 10)], strict=True))
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def digits(text: str) -> str:
    """The digits of a number that may be written in groups."""
    return "".join(one for one in text if one in string.digits)


def luhn(number: str) -> bool:
    """Of digits. ISO/IEC 7812-1, annex B."""
    turned = number.encode()[::-1]
    return (sum(turned[::2]) + sum(turned[1::2].translate(_DOUBLED)) - ord("0") * len(turned)) % 10 == 0


def card(text: str) -> str:
    """The number of a card that a text begins with, as it is written: its issuer, length and check digit fit.

    "" where it is none.
    """
    found = _GROUPS.match(text)
    number = found[0].replace(" ", "").replace("-", "") if found else ""
    for length in _CARDS.get(number[:4], ()):
        if length <= len(number) and luhn(number[:length]):
            end = _end(text, length, " -")
            if not text[end : end + 1].isalnum():
                return text[:end]
    return ""


def iban(text: str) -> str:
    """The IBAN that a text begins with, as it is written there; "" where it is none. ISO 13616."""
    length = _IBAN_LENGTHS.get(text[:2], 0)
    found = text.replace(" ", "")[:length]
    if not length or len(found) < length or not (found.isascii() and found.isalnum()):
        return ""
    if int((found[4:] + found[:4]).translate(_OF_LETTERS)) % 97 != 1:
        return ""
    return text[: _end(text, length, " ")]


def _end(text: str, length: int, between: str) -> int:
    """Where so many characters of a text end, without those that stand between its groups."""
    end = 0
    while length:
        length -= text[end] not in between
        end += 1
    return end


def routing(number: str) -> bool:
    """A bank's number in the United States: 3, 7, 1. Accredited Standards Committee X9."""
    first = int(number[:2])
    valid = first <= 12 or 21 <= first <= 32 or 61 <= first <= 72 or first == 80
    weighed = zip(number, (3, 7, 1) * 3, strict=True)
    return valid and int(number) > 0 and sum(int(one) * weight for one, weight in weighed) % 10 == 0


def vehicle(number: str) -> bool:
    """A vehicle's: the ninth place checks the others. 49 CFR 565.15."""
    values = (int(one) if one in string.digits else _VIN_VALUES[one] for one in number)
    rest = sum(value * weight for value, weight in zip(values, _VIN_WEIGHTS, strict=True)) % 11
    return number[8] == ("X" if rest == 10 else str(rest))


def health_service(text: str) -> bool:
    """A patient's of the United Kingdom: modulus 11."""
    number = digits(text)
    rest = 11 - sum(int(one) * weight for one, weight in zip(number, range(10, 1, -1), strict=False)) % 11
    return rest % 11 == int(number[9]) and rest != 10


def verhoeff(text: str) -> bool:
    """Of digits in groups, as an Aadhaar has them: the dihedral group of ten, by its rules."""
    turned = [int(one) for one in reversed(digits(text))]
    return reduce(_times, (_permuted(one, place) for place, one in enumerate(turned)), 0) == 0


def _times(left: int, right: int) -> int:
    if left < 5:
        return (left + right) % 5 if right < 5 else 5 + (left + right - 5) % 5
    return 5 + (left - 5 - right) % 5 if right < 5 else (left - right) % 5


def _permuted(digit: int, times: int) -> int:
    for _ in range(times % 8):
        digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
    return digit
