"""git's password for a repository of CodeCommit, as `aws codecommit credential-helper` gives it, without that.

    python -m sagelab.credential_helper get

git gives the place of a repository on standard input and reads user and password from standard output:
https://git-scm.com/docs/gitcredentials. The keys are those that boto3 finds.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime


def settings(url: str, python: str) -> dict[str, str]:
    """Variables that make git ask this module for the passwords of a local cloud, with TLS and without.

    url: of the local cloud, http://... python: that runs this module.
    """
    helper = f"!{python} -m {__name__}"
    pairs: dict[str, str] = {}
    for place in (url, url.replace("http://", "https://", 1)):
        pairs |= {f"credential.{place}.helper": helper, f"credential.{place}.useHttpPath": "true"}
    found = {"GIT_CONFIG_COUNT": str(len(pairs))}
    for number, (name, value) in enumerate(pairs.items()):
        found |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return found


def sign(asked: Mapping[str, str], now: datetime) -> tuple[str, str]:
    """(user, password). asked: what git says of a place: protocol, host, path. SystemExit: there are no keys."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.session import get_session

    session = get_session()
    keys = session.get_credentials()
    if keys is None:
        sys.exit("There are no AWS keys here to sign in to the repository with.")
    frozen, host = keys.get_frozen_credentials(), asked["host"].split(":")[0]
    signer = SigV4Auth(frozen, "codecommit", session.get_config_variable("region") or "us-east-1")
    request, time = AWSRequest("GIT", ""), f"{now:%Y%m%dT%H%M%S}"
    request.context["timestamp"] = time
    canonical = f"GIT\n/{asked['path']}\n\nhost:{host}\n\nhost\n"
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    token = f"%{frozen.token}" if frozen.token else ""
    return f"{frozen.access_key}{token}", f"{time}Z{signature}"


def main() -> None:
    """Answer git's `get`; what it would have stored or erased is not kept anywhere."""
    if sys.argv[1:] != ["get"]:
        return
    asked = dict(line.rstrip("\n").split("=", 1) for line in sys.stdin if "=" in line)
    user, password = sign(asked, datetime.now(UTC))
    print(f"username={user}\npassword={password}")


if __name__ == "__main__":
    main()
