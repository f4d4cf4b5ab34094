"""The Kubernetes API from the operator's side: the few requests that the controller makes."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from sagelab.k8s.sagemaker.kinds import GROUP, VERSION, Kind

Document = dict[str, Any]
ANSWER = 10.0  # seconds that an answer may take


class HttpCluster:
    """The server of a kubeconfig as `sagelab k8s` writes it."""

    def __init__(self, kubeconfig: Path) -> None:
        found = json.loads(kubeconfig.read_text())
        self._url, self._token = found["clusters"][0]["cluster"]["server"], found["users"][0]["user"]["token"]
        authority = ssl.create_default_context(cafile=str(kubeconfig.with_name("ca.crt")))
        self._opener = build_opener(ProxyHandler({}), HTTPSHandler(context=authority))

    def patch(self, kind: Kind, body: Document, change: Document, part: str = "") -> Document:
        """The object after a merge patch. LookupError: it is gone, or another one has its name."""
        metadata = body["metadata"]
        place = f"/apis/{GROUP}/{VERSION}/namespaces/{metadata['namespace']}/{kind.plural}/{metadata['name']}"
        meant = {"uid": metadata["uid"]}
        whole = {**change, "metadata": {**change.get("metadata", {}), **meant}}
        return self._ask("PATCH", f"{place}/{part}".rstrip("/"), whole)

    def namespace(self, name: str) -> Document:
        """The annotations of a namespace; none where it is gone."""
        try:
            return self._ask("GET", f"/api/v1/namespaces/{name}")["metadata"].get("annotations") or {}
        except LookupError:
            return {}

    def _ask(self, method: str, path: str, body: Document | None = None) -> Document:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/merge-patch+json"}
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._url + path, data, headers, method=method)
        try:
            with self._opener.open(request, timeout=ANSWER) as answer:
                found: Document = json.load(answer)
                return found
        except HTTPError as error:
            said = json.load(error)
            if error.code in (404, 409):
                raise LookupError(said["message"]) from error
            raise OSError(f"{method} {path}: {said['message']}") from error
