"""A picture that says in words what it shows, for who does not see it; imports matplotlib, so import it late."""

from __future__ import annotations

import base64
import html
import io

from matplotlib.figure import Figure


class Picture(Figure):
    """A Figure with alternative text.

    A notebook shows it as HTML, for neither JupyterLab nor nbconvert puts words on a picture that comes as PNG.
    """

    alt = ""

    def _ipython_display_(self) -> None:
        from IPython.display import display

        buffer = io.BytesIO()
        self.savefig(buffer, format="png", bbox_inches="tight", facecolor=self.get_facecolor())
        shown = {"text/html": image(buffer.getvalue(), self.alt), "text/plain": self.alt}
        display(shown, raw=True)  # type: ignore[no-untyped-call]


def image(png: bytes, alt: str) -> str:
    """A PNG with its words, in HTML that needs no file beside it."""
    data = base64.b64encode(png).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
