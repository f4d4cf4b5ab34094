"""An intruder in a job: what it tried, what was open to it, and one picture of measures against attempts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelab.lab import pictures, watch
from sagelab.lab.jupyter import Jupyter

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from sagelab.lab.figures import Picture
    from sagelab.lab.session import Lab

# What is tried, and how a picture calls it: by the script in the container, then from outside.
ATTEMPTS = {
    "take_keys": "take the\nrole's keys",
    "read_neighbours": "read another\nteam's file",
    "poison_data": "poison the\ntraining data",
    "read_account": "list what\nothers train",
    "reach_internet": "reach the\ninternet",
    "carry_out": "copy to a\nstranger's bucket",
    "read_stored": "read what is\nstored, no key",
    "listen": "ask without\nTLS",
    "stolen": "use keys of a\ncolleague's",
    "from_outside": "read, outside\nof the VPC",
}
HEIGHT, WIDTH = 0.42, 1.08  # inches of a cell
WORDS: dict[bool | None, str] = {True: "open", False: "closed"}
COLOURS = {True: pictures.RED, False: pictures.GREEN, None: pictures.GREY}
SAID = 50  # characters of a reason that a table shows


@dataclass(frozen=True)
class Attempt:
    """What an attempt came to: whether the way was open, and what it met."""

    open: bool
    said: str


def attempts(lab: Lab, job: str) -> dict[str, Attempt]:
    """What the script in a training job came to: attempt -> Attempt. RuntimeError: its log does not say."""
    for event in watch.events(lab, job):
        if event.message.startswith('{"take_keys"'):
            return {name: Attempt(**each) for name, each in json.loads(event.message).items()}
    raise RuntimeError(f"The log of {job} does not say what was tried: {watch.tail(lab, job, 3)}")


def attempt(way: Callable[[], Any]) -> Attempt:
    """Try a way from outside of a job: a call that AWS answers or refuses."""
    try:
        way()
    except (ClientError, BotoCoreError) as closed:
        return Attempt(False, str(closed))
    return Attempt(True, "answered")


def outside(ways: Mapping[str, Callable[[], Any]]) -> dict[str, Attempt]:
    """What each of several ways comes to."""
    return {name: attempt(way) for name, way in ways.items()}


def brief(said: str) -> str:
    """The reason in what AWS or Python says of a refusal, short enough for a table."""
    reason = re.search(r"(?:because|with) ((?:no|an explicit deny) .+?)(?: action)?$", said)
    text = reason[1].replace(" allows the ", " allows ") if reason else said.replace("<urlopen error ", "<")
    return text if len(text) <= SAID else f"{text[: SAID - 3]}..."


def on_notebook(lab: Lab, name: str, code: str) -> dict[str, str]:
    """What code says, as a line of JSON, that runs on a notebook instance in service."""
    asked = {"NotebookInstanceName": name}
    address = lab.client("sagemaker").create_presigned_notebook_instance_url(**asked)["AuthorizedUrl"]
    found: dict[str, str] = json.loads(Jupyter(address).run(code))
    return found


@dataclass
class Matrix:
    """Measures against attempts. rows: measure -> attempt -> Attempt, in the order in which they were taken."""

    rows: dict[str, dict[str, Attempt]] = field(default_factory=dict)

    def add(self, measure: str, found: Mapping[str, Attempt]) -> set[str]:
        """Take up what was tried under a measure; returns the attempts that it leaves open."""
        self.rows[measure] = dict(found)
        return {name for name, each in found.items() if each.open}

    def reasons(self, measure: str) -> pd.DataFrame:
        """What each attempt met under a measure."""
        import pandas as pd

        rows = [
            (ATTEMPTS[name].replace("\n", " "), WORDS[each.open], brief(each.said))
            for name, each in self.rows[measure].items()
        ]
        return pd.DataFrame(rows, columns=["attempt", "way", "what it met"]).set_index("attempt")

    def blind(self) -> set[str]:
        """Attempts that fail before any measure, without a network say: of them no measure can tell anything."""
        first = next(iter(self.rows.values()), {})
        return {name for name, each in first.items() if not each.open}

    def show(self) -> Picture:
        """Every measure so far, a row each: red is open, green closed, grey tells nothing here."""
        names = [name for name in ATTEMPTS if any(name in row for row in self.rows.values())]
        told = "; ".join(f"{measure}: {self._told(row)}" for measure, row in self.rows.items())
        size = (2.4 + WIDTH * len(names), 0.8 + HEIGHT * len(self.rows))
        figure, axes = pictures.open_figure(f"Measures against attempts. {told}", size, 1, 1)
        axis = axes[0, 0]
        for y, row in enumerate(self.rows.values()):
            for x, name in enumerate(names):
                if name in row:
                    _cell(axis, x, y, None if name in self.blind() else row[name].open)
        axis.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(self.rows) - 0.5, -0.5))
        axis.set_xticks(range(len(names)), [ATTEMPTS[name] for name in names], fontsize=8.5)
        axis.set_yticks(range(len(self.rows)), list(self.rows))
        axis.xaxis.tick_top()
        axis.tick_params(length=0)
        axis.grid(visible=False)
        axis.spines[:].set_visible(False)
        return figure

    def _told(self, row: Mapping[str, Attempt]) -> str:
        left = [ATTEMPTS[name].replace("\n", " ") for name, each in row.items() if each.open]
        return f"open: {', '.join(left)}" if left else "nothing open"


def _cell(axis: Axes, x: int, y: int, is_open: bool | None) -> None:
    """A coloured cell with its word, for who does not tell red from green. is_open: None is not known."""
    from matplotlib.patches import Rectangle

    colour, word = COLOURS[is_open], WORDS.get(is_open, "not here")
    axis.add_patch(Rectangle((x - 0.47, y - 0.44), 0.94, 0.88, color=colour))
    axis.text(x, y, word, ha="center", va="center", color="white", fontsize=9)
