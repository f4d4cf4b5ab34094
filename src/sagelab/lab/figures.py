"""A picture that says in words what it shows, for who does not see it; imports matplotlib, so import it late."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure


class Picture(Figure):
    """A Figure with alternative text, which a notebook keeps beside the PNG and nbconvert puts on the page."""

    alt = ""

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        """The words alone; IPython draws the PNG as of any Figure."""
        return {"text/plain": self.alt}, {"image/png": {"alt": self.alt}}
