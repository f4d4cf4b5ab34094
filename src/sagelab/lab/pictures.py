"""Pictures where people would rather look: digits, learning curves, a job's timeline, a confusion matrix.

Every function returns a Figure of its own, on white, so that it reads on a light and on a dark page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sagelab.lab.figures import Picture

Array = np.ndarray[Any, np.dtype[Any]]

INK, GREY, PALE = "#232f3e", "#6b7785", "#e3e7eb"
BLUE, ORANGE, GREEN, RED, VIOLET = "#1f77b4", "#e07b00", "#2a8f4f", "#c9302c", "#7b5ea7"
STYLE = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "text.color": INK,
    "axes.facecolor": "white",
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "xtick.color": INK,
    "ytick.color": INK,
}
WAITING = "#9aa5b1"
STAGES = {
    "Downloading": BLUE,
    "Training": ORANGE,
    "Uploading": VIOLET,
    "Interrupted": RED,
    "Stopping": RED,
}
# What the time of a spot job goes to: its colour and its hatch.
SPANS = {
    "first": (ORANGE, ""),
    "again": (RED, ""),
    "lost": (RED, "////"),
    "waiting": (WAITING, ""),
    "other": (BLUE, ""),
}
NAMES = ("epoch", "epoch trained again", "lost half way", "waiting", "start, download, upload")
ENDS = ("Completed", "Failed", "Stopped", "MaxRuntimeExceeded", "MaxWaitTimeExceeded")
# What the ordinary names of Keras's metrics mean, so that the two panels of a learning curve are told apart.
LOSS, HELD_OUT = "loss", "val_"


def digits(images: Array, labels: Array, predictions: Array | None = None, n: int = 30) -> Figure:
    """The first n digits with their labels; given predictions, green is read right and red is read wrong.

    images: (m, 28, 28) or (m, 28, 28, 1), 0 is paper. labels, predictions: (m,) of 0 to 9.
    """
    n = min(n, len(images))
    columns = min(n, 10) or 1
    rows = -(-n // columns) or 1
    captions = [_caption(labels[i], None if predictions is None else predictions[i]) for i in range(n)]
    told = ", ".join(text.replace(", read", " read as") for text, _ in captions)
    alt = f"{n} handwritten digits, in order: {told}"
    figure, axes = open_figure(alt, (9, 1.13 * rows + 0.1), rows, columns)
    for axis in axes.flat:
        axis.axis("off")
    for index, axis in enumerate(axes.flat[:n]):
        axis.imshow(images[index].reshape(28, 28), cmap="gray_r")
        text, colour = captions[index]
        axis.set_title(text, color=colour, fontsize=12, loc="center", pad=2)
    return figure


def photos(files: Sequence[Path], labels: Sequence[int], predictions: Sequence[int]) -> Figure:
    """Photos of digits with what was read: green where it is the label, else red."""
    from PIL import Image

    captions = [_caption(*pair) for pair in zip(labels, predictions, strict=True)]
    alt = f"{len(files)} photos of handwritten digits: {', '.join(text for text, _ in captions)}"
    figure, axes = open_figure(alt, (9, 2.2), 1, len(files))
    for axis, file, (text, colour) in zip(axes[0], files, captions, strict=True):
        axis.imshow(Image.open(file).convert("RGB"))
        axis.set_title(text, color=colour, fontsize=12, loc="center", pad=2)
        axis.axis("off")
    return figure


def _caption(label: int, prediction: int | None) -> tuple[str, str]:
    if prediction is None:
        return str(label), INK
    return (str(label), GREEN) if prediction == label else (f"{label}, read {prediction}", RED)


def learning_curve(metrics: pd.DataFrame) -> Figure:
    """Loss and accuracy of every epoch, on the training and on the held-out digits.

    metrics: as watch.metrics gives it, with any of loss, val_loss, acc, val_acc.
    """
    rows = [f"{name} from {each.iloc[0]:.3f} to {each.iloc[-1]:.3f}" for name, each in _by_metric(metrics)]
    alt = f"Learning curves over {metrics['step'].max()} epochs: {', '.join(rows)}"
    figure, axes = open_figure(alt, (9, 3.4), 1, 2)
    losses = metrics["metric"].str.endswith(LOSS)
    _curves(axes[0, 0], metrics[losses], "Loss", "loss (cross-entropy)")
    _curves(axes[0, 1], metrics[~losses], "Accuracy", "digits read right (share)")
    axes[0, 0].set_ylim(bottom=0)
    return figure


def _by_metric(metrics: pd.DataFrame) -> Iterator[tuple[str, pd.Series[float]]]:
    return ((str(name), rows["value"]) for name, rows in metrics.groupby("metric"))


def _curves(axis: Axes, metrics: pd.DataFrame, title: str, unit: str) -> None:
    for name, rows in metrics.groupby("metric"):
        held_out = str(name).startswith(HELD_OUT)
        label = f"held out ({name})" if held_out else f"training ({name})"
        axis.plot(
            rows["step"],
            rows["value"],
            marker="o",
            markersize=4,
            color=ORANGE if held_out else BLUE,
            label=label,
        )
    axis.set(xlabel="epoch", ylabel=unit)
    axis.set_title(title, loc="left")
    axis.locator_params(axis="x", integer=True)
    if len(metrics):
        axis.legend(frameon=False)


def timeline(transitions: pd.DataFrame) -> Figure:
    """The stages of a job as bars over the seconds since its start.

    transitions: as watch.transitions gives it. A stage that still lasts is not drawn, and neither is the
    last one of an ended job, which only says how it ended.
    """
    stages = transitions[~transitions["status"].isin(ENDS) & transitions["end"].notna()]
    lasted = ", ".join(f"{stage.status} {_seconds(stage.seconds)}" for stage in stages.itertuples())
    figure, axes = open_figure(f"A job's stages as bars: {lasted}", (9, 0.42 * len(stages) + 1.0))
    axis = axes[0, 0]
    begin = stages["start"].min()
    for row, stage in enumerate(stages.itertuples()):
        left = (stage.start - begin).total_seconds()
        axis.barh(row, stage.seconds, left=left, color=STAGES.get(stage.status, WAITING), height=0.6)
        axis.text(left + stage.seconds, row, f" {_seconds(stage.seconds)}", va="center", color=INK)
    axis.set_yticks(range(len(stages)), list(stages["status"]))
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.set_xlim(left=0)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("seconds since the job's start")
    return figure


def interruptions(jobs: dict[str, tuple[pd.DataFrame, pd.DataFrame]]) -> Figure:
    """Spot jobs as one row each: waits, and epochs that were trained, trained again, or lost half way.

    jobs: what to call each -> (its stages as watch.transitions gives them, its epochs as spot.epochs gives them).
    """
    told = "; ".join(f"{name}: epochs {', '.join(map(str, each['epoch']))}" for name, (_, each) in jobs.items())
    figure, axes = open_figure(f"Spot jobs as they went, {told}", (9, 0.75 * len(jobs) + 1.5))
    axis = axes[0, 0]
    for row, (stages, epochs) in enumerate(jobs.values()):
        begin = stages["start"].min()
        for kind, start, end, text in _spans(stages, epochs):
            left, width = ((time - begin).total_seconds() for time in (start, end))
            colour, hatch = SPANS[kind]
            axis.barh(row, width - left, left=left, color=colour, hatch=hatch, height=0.6, edgecolor="white")
            axis.text((left + width) / 2, row, text, ha="center", va="center", color="white", fontsize=10)
    axis.set_yticks(range(len(jobs)), list(jobs))
    axis.invert_yaxis()
    axis.set_xlim(left=0)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("seconds since the job's start")
    _explain_spans(figure)
    return figure


def _spans(stages: pd.DataFrame, epochs: pd.DataFrame) -> Iterator[tuple[str, Any, Any, str]]:
    """(kind of SPANS, start, end, what stands in it) of one job, in order."""
    rows = list(stages[stages["end"].notna()].itertuples())
    for number, stage in enumerate(rows):
        if stage.status == "Interrupted":
            yield "waiting", stage.start, stage.end, ""
        elif stage.status == "Training":
            last = stage.start
            for epoch in epochs[(epochs["end"] > stage.start) & (epochs["end"] <= stage.end)].itertuples():
                yield ("again" if epoch.again else "first"), last, epoch.end, str(epoch.epoch)
                last = epoch.end
            lost = number + 1 < len(rows) and rows[number + 1].status == "Interrupted"
            yield ("lost" if lost else "other"), last, stage.end, ""
        elif stage.status not in ENDS:
            yield "other", stage.start, stage.end, ""


def _explain_spans(figure: Figure) -> None:
    from matplotlib.patches import Patch

    patches = [Patch(facecolor=colour, hatch=hatch, edgecolor="white") for colour, hatch in SPANS.values()]
    figure.legend(patches, NAMES, frameon=False, ncols=len(SPANS), loc="outside upper right", handlelength=1.4)


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def confusion(labels: Array, predictions: Array) -> Figure:
    """How often each digit was read as each other; only the mistakes are coloured, for they are few.

    labels, predictions: (n,) of 0 to 9.
    """
    counts = np.zeros((10, 10), dtype=int)
    np.add.at(counts, (np.asarray(labels), np.asarray(predictions)), 1)
    mistakes = counts * (1 - np.eye(10, dtype=int))
    title = f"{counts.trace():,} of {counts.sum():,} digits read right, {mistakes.sum():,} wrong"
    figure, axes = open_figure(f"Which digit was read as which: {title}", (5.4, 4.9))
    axis = axes[0, 0]
    axis.imshow(mistakes, cmap="Oranges", vmin=0, vmax=max(4, mistakes.max() * 1.6))
    for (row, column), count in np.ndenumerate(counts):
        if count:
            axis.text(column, row, str(count), ha="center", va="center", color=GREY if row == column else INK)
    axis.set(xticks=range(10), yticks=range(10), xlabel="digit as read", ylabel="digit as it is")
    axis.set_title(title, loc="left")
    axis.grid(visible=False)
    return figure


def bars(table: pd.DataFrame) -> Figure:
    """A panel a column, a bar a row with its value; the first row is on top, in another colour: the others are
    compared with it."""
    rows = -(-len(table.columns) // 2)
    told = "; ".join(
        f"{name}: {', '.join(f'{row} {value:.3g}' for row, value in table[name].items())}" for name in table
    )
    figure, axes = open_figure(f"Bars, {told}", (9, (0.34 * len(table) + 0.9) * rows), rows, 2)
    for axis in axes.flat[len(table.columns) :]:
        axis.axis("off")
    for axis, column in zip(axes.flat, table, strict=False):
        values = table[column]
        drawn = axis.barh(table.index, values, color=[GREY] + [BLUE] * (len(table) - 1), height=0.7)
        axis.bar_label(drawn, [f"{value:,.{0 if value >= 10 else 2}f}" for value in values], padding=3)
        axis.set_title(column, loc="left")
        axis.set(xlim=(0, max(values.max() * 1.2, 1e-9)), xticks=[])
        axis.invert_yaxis()
        axis.grid(visible=False)
        axis.spines["bottom"].set_visible(False)
        axis.tick_params(length=0)
    return figure


def open_figure(
    alt: str, size: tuple[float, float], rows: int = 1, columns: int = 1, **more: Any
) -> tuple[Picture, Any]:
    """A figure in the house's style that pyplot has already let go of: a notebook shows it once.

    alt: what it shows, in words. more: what pyplot.subplots takes besides.
    """
    import matplotlib.pyplot as plt

    from sagelab.lab.figures import Picture

    with plt.rc_context(STYLE):  # type: ignore[arg-type]
        made: Any = plt.subplots(rows, columns, figsize=size, squeeze=False, FigureClass=Picture, **more)
    figure, axes = made
    figure.alt = alt
    plt.close(figure)
    return figure, axes
