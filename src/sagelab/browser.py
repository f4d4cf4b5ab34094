"""Whether somebody here can see a browser, and opening one."""

from __future__ import annotations

import os
import threading

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME")  # one is set where a browser can be seen


def show(address: str) -> threading.Thread | None:
    """Open an address in the browser, in a thread that ends with the process; None: nobody would see it."""
    if not any(os.environ.get(name) for name in SCREENS):
        return None
    import webbrowser

    opening = threading.Thread(target=webbrowser.open, args=(address,), daemon=True)
    opening.start()
    return opening
