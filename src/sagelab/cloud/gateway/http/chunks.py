"""Bodies that are signed chunk by chunk (STREAMING-AWS4-HMAC-SHA256-PAYLOAD): every chunk is checked.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import IO

from sagelab.cloud.errors import IncompleteBody, SignatureMismatch
from sagelab.cloud.gateway.auth.signature import Signed, sign_chunk
from sagelab.cloud.gateway.http.request import BODY_LIMIT, Request

_CHUNK = re.compile(rb"([0-9a-fA-F]{1,16});chunk-signature=([0-9a-f]{64})\r?\n")
_PIECE = 1 << 20


def check(request: Request, claim: Signed, secret: str) -> None:
    """Refuse a body one of whose chunks was not signed in turn, starting from the request's signature."""
    previous = claim.signature
    with request.rewound() as body:
        while True:
            found = _CHUNK.fullmatch(body.readline(128))
            if found is None:
                raise IncompleteBody("The body is not in chunks with their signatures.")
            size, said = int(found[1], 16), found[2].decode()
            if not hmac.compare_digest(said, sign_chunk(claim, secret, previous, _hash(body, size))):
                raise SignatureMismatch("The signature of a chunk does not match the one we calculated.")
            if size == 0:
                return
            previous = said
            body.readline(2)


def _hash(body: IO[bytes], size: int) -> str:
    digest, left = hashlib.sha256(), min(size, BODY_LIMIT)
    while left and (piece := body.read(min(left, _PIECE))):
        digest.update(piece)
        left -= len(piece)
    if left or size > BODY_LIMIT:
        raise IncompleteBody("The body ends inside a chunk.")
    return digest.hexdigest()
