"""The JupyterLab of a notebook instance, used by a program: its files, and code run in a kernel of it.

Speaks what the page in the browser speaks, Jupyter's REST API and its web socket, by a presigned address.
https://jupyter-server.readthedocs.io/en/latest/developers/rest-api.html
"""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import urlsplit

TIMEOUT = 300.0  # seconds between two messages of a kernel


class Jupyter:
    """A session with one server. requests' HTTPError: the address is no longer valid."""

    def __init__(self, address: str) -> None:
        """address: from CreatePresignedNotebookInstanceUrl."""
        import requests

        parts = urlsplit(address)
        self.base = f"{parts.scheme}://{parts.netloc}"
        self.http = requests.Session()
        self.http.get(address).raise_for_status()  # what comes back is the cookie of a session

    def files(self, folder: str = "") -> list[str]:
        """The names in a folder of the instance's volume, sorted."""
        answer = self.http.get(f"{self.base}/api/contents/{folder}")
        answer.raise_for_status()
        return sorted(item["name"] for item in answer.json()["content"])

    def run(self, code: str) -> str:
        """What a cell prints, run in a new kernel that ends with it. RuntimeError: the cell failed."""
        kernel = self._ask("POST", "/api/kernels").json()["id"]
        try:
            return self._execute(kernel, code)
        finally:
            self._ask("DELETE", f"/api/kernels/{kernel}")

    def _ask(self, method: str, path: str) -> Any:
        """A request that changes something: it proves by a header that it comes from no foreign page."""
        headers = {"X-XSRFToken": self.http.cookies.get("_xsrf") or ""}
        answer = self.http.request(method, self.base + path, headers=headers)
        answer.raise_for_status()
        return answer

    def _execute(self, kernel: str, code: str) -> str:
        import websocket

        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies)
        address = f"{self.base.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels"
        channel = websocket.create_connection(address, timeout=TIMEOUT, cookie=cookies)
        try:
            request = _request(code)
            channel.send(json.dumps(request))
            return _printed(channel, request["header"]["msg_id"])
        finally:
            channel.close()


def _request(code: str) -> dict[str, Any]:
    """An execute_request of Jupyter's messaging protocol."""
    name = uuid.uuid4().hex
    header = {"msg_id": name, "msg_type": "execute_request", "session": name, "username": "", "version": "5.3"}
    content = {"code": code, "silent": False}
    return {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}


def _printed(channel: Any, request: str) -> str:
    """What a request prints until its kernel is idle again."""
    text = ""
    while True:
        message = json.loads(channel.recv())
        if message["parent_header"].get("msg_id") != request:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            text += content["text"]
        elif kind == "error":
            raise RuntimeError(f"{content['ename']}: {content['evalue']}")
        elif kind == "status" and content["execution_state"] == "idle":
            return text
