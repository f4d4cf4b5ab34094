"""Comprehend, as far as it looks for personal data: DetectPiiEntities and ContainsPiiEntities.

https://docs.aws.amazon.com/comprehend/latest/dg/how-pii.html
"""

from __future__ import annotations

from sagelab.cloud import personal_data
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation

LIMIT = 100_000  # bytes of UTF-8: https://docs.aws.amazon.com/comprehend/latest/dg/guidelines-and-limits.html
LANGUAGES = ("en", "es")
_TOO_LONG = (
    "Input text size exceeds limit. Max length of request text allowed is {} bytes while in this request the text"
    " size is {} bytes"
)


class PersonalEntities(Family):
    """The family of Comprehend's operations on personal data."""

    service = "comprehend"

    @operation("DetectPiiEntities")
    def detect(self, call: Call) -> Params:
        return {"Entities": [_entity(one) for one in _find(call)]}

    @operation("ContainsPiiEntities")
    def contains(self, call: Call) -> Params:
        scores: dict[str, float] = {}
        for one in _find(call):
            scores[one.type] = max(one.score, scores.get(one.type, 0.0))
        return {"Labels": [{"Name": name, "Score": score} for name, score in scores.items()]}


def _entity(one: personal_data.Find) -> Params:
    return {"Score": one.score, "Type": one.type, "BeginOffset": one.begin, "EndOffset": one.end}


def _find(call: Call) -> list[personal_data.Find]:
    """TextSizeLimitExceededException, UnsupportedLanguageException: the text is none for it."""
    text, language = call.params["Text"], call.params["LanguageCode"]
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > LIMIT:
        raise Beside("TextSizeLimitExceededException", _TOO_LONG.format(LIMIT, size))
    if language not in LANGUAGES:
        raise Beside("UnsupportedLanguageException", f"Input language is not supported: {language}")
    return personal_data.find(text)
