"""Whether somebody here can see a browser, and opening one."""

from __future__ import annotations

import os
import threading

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME")  # one is set where a browser can be seen


def show(address: str) -> None:
    """Open an address in the browser, if there is one to be seen; returns at once."""
    if any(os.environ.get(name) for name in SCREENS):
        import webbrowser

        threading.Thread(target=webbrowser.open, args=(address,)).start()
