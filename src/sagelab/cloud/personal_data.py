"""Personal data in a text, found by patterns, by check digits and by the words before them.

What only a model of language tells (names, addresses, and whatever is written like anything else) is not found.
Types: https://docs.aws.amazon.com/comprehend/latest/dg/how-pii.html
Every pattern has bounded repetitions alone and begins at few places, so that a text takes time by its length.
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sagelab.cloud import checksums

# How sure a find is: check digits; a form that nothing else has; words before it; a form alone.
CHECKED, PLAIN, NAMED, LIKELY = 0.9999, 0.999, 0.98, 0.9
NOT_FOUND = (
    *("ADDRESS", "CA_HEALTH_NUMBER", "DRIVER_ID", "IN_NREGA", "IN_VOTER_NUMBER", "LICENSE_PLATE", "NAME"),
    *("PASSPORT_NUMBER", "UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER"),
)
_MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre"
    "|diciembre"
)
_NORTH_AMERICAN = r"(?<![\w+-])(?:\+?1[ .-]?)?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{4}(?![\w-])"
_ISO = r"(?<![\w-])(?:19|20)\d\d-[01]\d-[0-3]\d(?:[T ][0-2]\d:[0-5]\d(?::[0-5]\d)?Z?)?(?![\w-])"
_DAY_FIRST = rf"(?i)\b[0-3]?\d(?:st|nd|rd|th)? (?:de )?(?:{_MONTHS})(?:(?:,| de)? (?:19|20)\d\d)?\b"
_THREES = r"\d{3}[ -]?\d{3}[ -]?\d{3}"
_LINK = r"[^\w\n]{0,4}(?:(?:is|are|was|number|no|num|code|date|name|key|es|n[uú]mero)\b[^\w\n]{0,4}){0,3}"


@dataclass(frozen=True)
class Find:
    """begin, end: in characters, the end not included."""

    type: str
    begin: int
    end: int
    score: float


@dataclass(frozen=True)
class _Form:
    """group: of the pattern, that is the entity. check: of its text."""

    type: str
    score: float
    pattern: re.Pattern[str]
    check: Callable[[str], bool] = bool
    group: int = 0


def _form(kind: str, score: float, pattern: str, check: Callable[[str], bool] = bool) -> _Form:
    return _Form(kind, score, re.compile(pattern), check)


def _after(words: str, kind: str, value: str, check: Callable[[str], bool] = bool, score: float = NAMED) -> _Form:
    """Of what stands after one of some words."""
    pattern = rf"(?i)\b(?:{words})\b{_LINK}(?-i:({value}))"
    return _Form(kind, score, re.compile(pattern), check, 1)


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text)) and any(map(str.isdigit, text)) and len(text) > 3
    except ValueError:
        return False


def _is_secret(text: str) -> bool:
    """Letters of both cases and digits: neither a digest in hexadecimal nor a path."""
    classes = (str.islower, str.isupper, str.isdigit)
    return all(any(map(is_one, text)) for is_one in classes) and text.count("/") < 6


def _is_phone(text: str) -> bool:
    return 8 <= len(checksums.digits(text)) <= 15


def _is_insured(text: str) -> bool:
    return text[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")


def _is_luhn(text: str) -> bool:
    return checksums.luhn(checksums.digits(text))


_FORMS = (
    _form(
        "EMAIL",
        PLAIN,
        r"(?<![\w.+%-])[A-Za-z0-9][\w.%+-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}\b",
    ),
    _form("URL", PLAIN, r"(?i)\b(?:https?://|ftp://|www\.)[^\s<>\"']{2,2048}(?<![.,;:!?)])"),
    _form("IP_ADDRESS", PLAIN, r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\w)", _is_address),
    _form("IP_ADDRESS", PLAIN, r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])", _is_address),
    _form("MAC_ADDRESS", PLAIN, r"(?<![\w:-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])"),
    _form("SSN", LIKELY, r"(?<![\w-])(?!000|666|9)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?![\w-])"),
    _after("ssn|social security", "SSN", r"(?!000|666|9)\d{3}(?!00)\d{2}(?!0000)\d{4}(?!\w)"),
    _form(
        "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER",
        PLAIN,
        r"(?<![\w-])9\d\d-(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])-\d{4}(?![\w-])",
    ),
    _form(
        "PHONE",
        LIKELY,
        _NORTH_AMERICAN,
    ),
    _form("PHONE", LIKELY, r"(?<![\w+])\+[1-9]\d{0,2}(?:[ .-]\(?\d{1,4}\)?){2,5}(?!\w)", _is_phone),
    _form("PHONE", LIKELY, r"(?<![\w+])\+[1-9]\d{7,14}(?!\w)"),
    _after("phone|tel(?:ephone)?|mobile|cell|tel[eé]fono|m[oó]vil", "PHONE", r"\d(?:[ .-]?\d){6,14}(?!\w)"),
    _form("AWS_ACCESS_KEY", PLAIN, r"(?<!\w)(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?!\w)"),
    _form("AWS_SECRET_KEY", NAMED, r"(?<![\w/+=])[A-Za-z0-9/+]{40}(?![\w/+=])", _is_secret),
    _after("routing|aba|rtn", "BANK_ROUTING", r"\d{9}(?!\w)", checksums.routing, CHECKED),
    _after("account|acct|cuenta", "BANK_ACCOUNT_NUMBER", r"\d{6,17}(?!\w)"),
    _after("swift|bic", "SWIFT_CODE", r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?(?!\w)"),
    _after("cvv2?|cvc2?|cid|security code|c[oó]digo de seguridad", "CREDIT_DEBIT_CVV", r"\d{3,4}(?!\w)"),
    _after(
        "exp|expir(?:y|es|ation)|valid (?:thru|until)|caduca|vence",
        "CREDIT_DEBIT_EXPIRY",
        r"(?:0[1-9]|1[0-2]) ?[/-] ?(?:20)?\d\d(?!\w)",
    ),
    _after("pin", "PIN", r"\d{4,6}(?!\w)"),
    _after("pass(?:word|wd|phrase)|pwd|contraseña", "PASSWORD", r"[^\s,;\"']{4,64}"),
    _after("user ?(?:name|id)|login|usuario", "USERNAME", r"[A-Za-z0-9][\w.@-]{2,63}"),
    _form("AGE", LIKELY, r"(?i)(?<![\w.])\d{1,3}[ -](?:years?|yrs?)[ -]old\b|(?<![\w.])\d{1,3} años\b"),
    _form(
        "DATE_TIME",
        LIKELY,
        _ISO,
    ),
    _form("DATE_TIME", LIKELY, r"(?<![\w/])[0-3]?\d/[0-3]?\d/(?:19|20)?\d\d(?![\w/])"),
    _form("DATE_TIME", LIKELY, rf"(?i)\b(?:{_MONTHS})\.? [0-3]?\d(?:st|nd|rd|th)?(?:,? (?:19|20)\d\d)?\b"),
    _form(
        "DATE_TIME",
        LIKELY,
        _DAY_FIRST,
    ),
    _form("VEHICLE_IDENTIFICATION_NUMBER", CHECKED, r"(?<!\w)[A-HJ-NPR-Z0-9]{17}(?!\w)", checksums.vehicle),
    _form(
        "UK_NATIONAL_INSURANCE_NUMBER",
        PLAIN,
        r"(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D](?!\w)",
        _is_insured,
    ),
    _after("nhs", "UK_NATIONAL_HEALTH_SERVICE_NUMBER", rf"{_THREES}\d(?!\w)", checksums.health_service, CHECKED),
    _after("sin|social insurance", "CA_SOCIAL_INSURANCE_NUMBER", rf"{_THREES}(?!\w)", _is_luhn, CHECKED),
    _form("IN_AADHAAR", CHECKED, r"(?<![\w-])[2-9]\d{3}([ -])\d{4}\1\d{4}(?![\w-])", checksums.verhoeff),
    _form("IN_PERMANENT_ACCOUNT_NUMBER", PLAIN, r"(?<!\w)[A-Z]{3}[ABCFGHLJPT][A-Z]\d{4}[A-Z](?!\w)"),
)
# Numbers whose end their check digits tell: how they begin, their longest in writing, what reads them.
_NUMBERS = (
    ("INTERNATIONAL_BANK_ACCOUNT_NUMBER", re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?=[A-Z0-9 ])"), 42, checksums.iban),
    ("CREDIT_DEBIT_NUMBER", re.compile(r"(?<![\w-])[2-6]\d{3}(?=[ -]?\d)"), 40, checksums.card),
)


def find(text: str) -> list[Find]:
    """What is found in a text, in its order. Of what overlaps, the surest is kept, and of those the longest."""
    kept: list[Find] = []
    for one in sorted(_candidates(text), key=lambda one: (-one.score, one.begin - one.end, one.begin)):
        place = bisect(kept, one.begin, key=lambda other: other.begin)
        before, after = kept[place - 1 : place] if place else [], kept[place : place + 1]
        if all(other.end <= one.begin for other in before) and all(one.end <= other.begin for other in after):
            kept.insert(place, one)
    return kept


def _candidates(text: str) -> Iterator[Find]:
    for form in _FORMS:
        for match in form.pattern.finditer(text):
            if form.check(match[form.group]):
                yield Find(form.type, match.start(form.group), match.end(form.group), form.score)
    for kind, start, longest, read in _NUMBERS:
        begun = start.search(text)
        while begun:
            number = read(text[begun.start() : begun.start() + longest])
            end = begun.start() + len(number)
            if number:
                yield Find(kind, begun.start(), end, CHECKED)
            begun = start.search(text, max(end, begun.end()))
