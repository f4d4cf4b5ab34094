"""One sentence that says what to do, where a cell could not run; `%tb` has the traceback.

A learner runs cells twice, out of order, after a restart of the kernel, or when the local cloud is gone. What
Python and the SDKs say then fills a page. `install` puts a sentence in its place, in this kernel alone; connect()
calls it, and so does Python at the start of each kernel that `sagelab exec` leads to (startup.py).
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

ABOVE = "choose Run > Run All Above Selected Cell, then run this cell again"
AGAIN = "choose Kernel > Restart Kernel and Run All Cells"
HERE = ("127.0.0.1", "localhost")
UNREACHED = ("EndpointConnectionError", "ConnectionClosedError", "ConnectTimeoutError", "ConnectionError")


def explain(error: BaseException) -> str | None:
    """What to do about an error, in a sentence; None where its traceback says more."""
    if isinstance(error, NameError) and error.name:
        return f"There is no `{error.name}` in this kernel. If a cell above makes it, {ABOVE}."
    if type(error).__name__ in UNREACHED and any(host in str(error) for host in HERE):
        return f"The local cloud does not answer, it has ended: {AGAIN}. The first cells start it again."
    response = getattr(error, "response", None)
    if isinstance(response, dict) and "Error" in response:
        said = response["Error"].get("Message", "no reason given")
        return f"AWS refused this: {said} If cells ran twice or out of order, {AGAIN}."
    if type(error).__module__.startswith("sagelab.lab."):
        return str(error)  # these say what to do by themselves
    return None


def install() -> None:
    """Have this kernel explain what it can; does nothing where there is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None and hasattr(shell, "kernel"):
        shell.set_custom_exc((Exception,), _show)


def _show(
    shell: Any, kind: type[BaseException], error: BaseException, trace: TracebackType, tb_offset: int | None = None
) -> None:
    """Show an error as IPython's kernel does, so that a run without a browser fails as well."""
    sentence = explain(error)
    if sentence is None:
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
        return
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace  # for %tb
    shell._showtraceback(kind, error, [sentence])
