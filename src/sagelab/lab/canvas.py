"""A canvas to draw a digit on, in a notebook, with nothing but ipywidgets.

The drawing is HTML's own canvas. After each stroke its script puts the picture into a hidden text area of
ipywidgets, which carries it to Python.
"""

from __future__ import annotations

import base64
import binascii
import itertools
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from sagelab.lab.photos import HandwritingError, decode

Array = np.ndarray[Any, np.dtype[Any]]

PREFIX = "data:image/png;base64,"
_numbers = itertools.count(1)

# The text area is looked for at each stroke: JupyterLab may show it later than the canvas.
PAGE = Template("""
<div id="$name" style="display: inline-block; font: 13px sans-serif">
  <canvas width="$side" height="$side" tabindex="0" aria-label="Draw a digit here"
    style="border: 1px solid #6b7785; background: white; touch-action: none; cursor: crosshair"></canvas>
  <div><button type="button">Clear</button> Draw one digit, large, with mouse, pen or finger.</div>
</div>
<script>
(() => {
  const root = document.getElementById("$name");
  const canvas = root.querySelector("canvas");
  const context = canvas.getContext("2d");
  const send = (text) => {
    const area = document.querySelector(".$name textarea");
    if (!area) return;
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(area, text);
    for (const kind of ["input", "change"]) area.dispatchEvent(new Event(kind, { bubbles: true }));
  };
  const clear = () => {
    context.fillStyle = "white";
    context.fillRect(0, 0, canvas.width, canvas.height);
  };
  let last = null;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / canvas.clientWidth;
    const x = event.clientX - box.left - canvas.clientLeft;
    const y = event.clientY - box.top - canvas.clientTop;
    return [x * scale, y * scale];
  };
  const line = (event) => {
    const here = at(event);
    context.beginPath();
    context.moveTo(...last);
    context.lineTo(...here);
    context.stroke();
    last = here;
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    Object.assign(context, { lineWidth: $side / 16, lineCap: "round", strokeStyle: "#232f3e" });
    last = at(event);
    line(event);
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => { if (last) line(event); });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => { if (last) send(canvas.toDataURL("image/png")); last = null; });
  }
  root.querySelector("button").addEventListener("click", () => { clear(); send(""); });
  clear();
})();
</script>
""")


class Canvas:
    """A square to draw one digit on: show it as the last value of a cell, draw, and take `image()` in the next.

    example: a picture that stands in while nothing is drawn, as when nobody is there to draw.
    side: of the square, in pixels.
    """

    def __init__(self, example: str | Path | None = None, side: int = 280) -> None:
        from ipywidgets import Layout, Textarea  # type: ignore[import-untyped]

        self.example = example
        self.side = side
        self._name = f"sagelab-canvas-{next(_numbers)}"
        self._drawn = Textarea(layout=Layout(display="none"))
        self._drawn.add_class(self._name)

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, display

        self._drawn.value = ""  # a new canvas is blank, whatever an earlier one of the same cell had
        display(self._drawn, HTML(PAGE.substitute(name=self._name, side=self.side)))  # type: ignore[no-untyped-call]

    def image(self) -> Array:
        """What is drawn, uint8 (side, side, 3), or else the example, and then it says so.

        HandwritingError: nothing is drawn and there is no example.
        """
        if self._drawn.value:
            return decode(self._png())
        if self.example is None:
            raise HandwritingError("Nothing is drawn yet: draw a digit on the canvas, then run this again.")
        print(f"Nothing is drawn, so this is an example: {Path(self.example).name}")
        return decode(self.example)

    def _png(self) -> bytes:
        try:
            return base64.b64decode(self._drawn.value.removeprefix(PREFIX), validate=True)
        except binascii.Error as error:
            raise HandwritingError(f"The canvas sent no picture: {error}. Clear it and draw again.") from error
