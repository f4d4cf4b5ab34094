"""Personal data in texts: what is found, where, and what only looks like it."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from sagelab.cloud import checksums, personal_data
from sagelab.cloud.personal_data import find

# What is found -> (a text with it, the part of the text that it is).
FOUND = {
    "EMAIL": ("Mail ada.l+x@mail.example.com, please.", "ada.l+x@mail.example.com"),
    "PHONE": ("Ring +1 (206) 555-0100 at six.", "+1 (206) 555-0100"),
    "SSN": ("SSN: 536-22-1234.", "536-22-1234"),
    "CREDIT_DEBIT_NUMBER": ("paid by 4111 1111 1111 1111 2027", "4111 1111 1111 1111"),
    "CREDIT_DEBIT_CVV": ("CVV is 123", "123"),
    "CREDIT_DEBIT_EXPIRY": ("Exp. date: 04/27", "04/27"),
    "PIN": ("my PIN: 4821", "4821"),
    "IP_ADDRESS": ("from 2001:db8::1 it came", "2001:db8::1"),
    "MAC_ADDRESS": ("at 00:1A:2B:3c:4d:5e.", "00:1A:2B:3c:4d:5e"),
    "URL": ("see https://example.com/a?b=c#d.", "https://example.com/a?b=c#d"),
    "AWS_ACCESS_KEY": ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
    "AWS_SECRET_KEY": (
        "key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".replace("=", " "),
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ),
    "INTERNATIONAL_BANK_ACCOUNT_NUMBER": (
        "to DE89 3704 0044 0532 0130 00 FOR ADA",
        "DE89 3704 0044 0532 0130 00",
    ),
    "BANK_ROUTING": ("routing number 021000021", "021000021"),
    "BANK_ACCOUNT_NUMBER": ("account number: 000123456789", "000123456789"),
    "SWIFT_CODE": ("SWIFT code DEUTDEFF500", "DEUTDEFF500"),
    "DATE_TIME": ("born on January 5, 1990, at", "January 5, 1990"),
    "AGE": ("She is 36 years old", "36 years old"),
    "PASSWORD": ("password: very20special#pass", "very20special#pass"),
    "USERNAME": ("user name: ada_l", "ada_l"),
    "VEHICLE_IDENTIFICATION_NUMBER": ("VIN 1HGCM82633A004352", "1HGCM82633A004352"),
    "UK_NATIONAL_INSURANCE_NUMBER": ("NI AB 12 34 56 C", "AB 12 34 56 C"),
    "UK_NATIONAL_HEALTH_SERVICE_NUMBER": ("NHS number 943 476 5919", "943 476 5919"),
    "CA_SOCIAL_INSURANCE_NUMBER": ("SIN 046 454 286", "046 454 286"),
    "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER": ("ITIN 912-70-1234", "912-70-1234"),
    "IN_AADHAAR": ("2341 2341 2346", "2341 2341 2346"),
    "IN_PERMANENT_ACCOUNT_NUMBER": ("ABCPE1234F", "ABCPE1234F"),
}


@pytest.mark.parametrize("kind", FOUND)
def test_it_is_found_where_it_stands(kind: str) -> None:
    text, part = FOUND[kind]
    (one,) = [each for each in find(f"日本 😀 {text}") if each.type == kind]
    assert f"日本 😀 {text}"[one.begin : one.end] == part
    assert 0.5 < one.score <= 1


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # the check digit is another
        "9111111111111111111",
        "DE88 3704 0044 0532 0130 00",
        "routing number 021000022",
        "021000021",  # nothing says what it is
        "000-12-3456 and 666-12-3456",
        "1.2.3.4.5 and 999.1.1.1",
        "std::vector and a::b, 12:30:45",
        "ada@localhost, @ada, a@b",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",  # a digest
        "1HGCM82633A004353",
        "2341 2341 2347",
        "version 10-04, 12345, 3.14159",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert [one.type for one in find(text)] == []


def test_finds_do_not_overlap_and_the_surest_stays() -> None:
    text = "card 4111-1111-1111-1111 by ada@example.com, see http://example.com/ada@example.com"
    found = find(text)
    assert [one.type for one in found] == ["CREDIT_DEBIT_NUMBER", "EMAIL", "URL"]
    assert all(one.end <= other.begin for one, other in pairwise(found))


def test_types_are_those_of_the_service() -> None:
    from botocore.loaders import Loader

    enum = set(Loader().load_service_model("comprehend", "service-2")["shapes"]["PiiEntityType"]["enum"]) - {"ALL"}
    assert enum == FOUND.keys() | set(personal_data.NOT_FOUND)


HOSTILE = (
    *("a", "1", "1 ", "a@", "a.a@a.a.", "::", "12:", "+1 ", "www.", "password ", "account is is is ", "4111 "),
    *("DE89 ", "x@" + "a-" * 30, "1.1.1.", "9-", "1 de enero de ", "pin" + " is" * 99, "\n", "0/", "(206) "),
)


@pytest.mark.parametrize("part", HOSTILE)
def test_hostile_text_takes_time_by_its_length(part: str) -> None:
    text = (part * 100_000)[:100_000]
    before = time.thread_time()
    find(text)
    assert time.thread_time() - before < 3  # a third of a second on an idle machine


def test_check_digits() -> None:
    assert checksums.iban("GB82 WEST 1234 5698 7654 32X") == "GB82 WEST 1234 5698 7654 32"
    assert checksums.card("3782 822463 10005") == "3782 822463 10005"
    assert checksums.card("42222") == checksums.iban("DE8") == checksums.iban("") == ""
    assert checksums.luhn("79927398713") is True
    assert checksums.verhoeff("2363") is True
