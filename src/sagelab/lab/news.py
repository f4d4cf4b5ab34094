"""A news site that is invented: its readers, their tastes, its articles, and who clicked what and when.

What a recommender should find is known, for it is in the recipe: every reader has a taste, that is shares of six
topics, and clicks by it. The week is ordinary; on the day after it there is an election.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from sagelab.lab.pictures import BLUE, GREEN, GREY, ORANGE, RED, VIOLET, open_figure

if TYPE_CHECKING:
    import pandas as pd

    from sagelab.lab.figures import Picture

Array = np.ndarray[Any, np.dtype[Any]]

TOPICS = ("politics", "sport", "science", "culture", "money", "travel")
ELECTION = "election"  # what the articles of its evening are called; their topic is politics
MONDAY = datetime(2026, 10, 26)
DAYS = 7  # of the ordinary week; the election is on the day after
ELECTION_DAY = "2026-11-02"
A_DAY = 4  # new articles of a topic
FADES = 60.0  # hours in which an article comes to a third of its clicks
NARROW = 0.25  # the smaller, the more of a reader's clicks go to one topic
START, HOURS = 24 * DAYS + 20, 3.0  # of the election's spike, in hours since Monday
BREAKING = 12  # articles of the election's evening, a quarter of an hour apart
ON_IT = 0.85  # the share of the spike's clicks that go to them
PULSE = (2, 1, 1, 1, 1, 2, 5, 9, 10, 8, 7, 7, 9, 8, 7, 7, 7, 8, 9, 10, 11, 9, 6, 4)  # clicks by the hour


# Of the topics and the election, in the alphabet's order.
COLOURS = (VIOLET, RED, GREEN, BLUE, GREY, ORANGE, "#8a6d3b")


@dataclass(frozen=True)
class Site:
    """tastes: a row a reader, a column a topic, each row's sum 1. week: clicks in the order of their time, with
    time, reader, article and topic; election: those of the day after it.
    """

    tastes: pd.DataFrame
    week: pd.DataFrame
    election: pd.DataFrame

    @property
    def clicks(self) -> pd.DataFrame:
        """All of them."""
        import pandas as pd

        return pd.concat([self.week, self.election], ignore_index=True)

    @property
    def spike(self) -> pd.DataFrame:
        """Of the day of the election, the clicks of its evening."""
        first = (MONDAY + timedelta(hours=START)).isoformat()
        return self.election[self.election["time"] >= first].reset_index(drop=True)


def make(readers: int = 300, clicks: int = 20_000, spike: int = 4_000, seed: int = 1) -> Site:
    """A site with so many readers and clicks in its week. spike: how many come on the election's evening beside.

    An ordinary click: who reads often clicks often; the topic is drawn by the reader's taste, the article among
    those of the topic by its weight and its age. On the evening all want the same few articles.
    """
    import pandas as pd

    draw = np.random.default_rng(seed)
    tastes, often = draw.dirichlet(np.full(len(TOPICS), NARROW), readers), draw.gamma(2.0, 1.0, readers)
    articles = _articles(draw)
    count = clicks // DAYS * (DAYS + 1)
    day, hour = draw.integers(0, DAYS + 1, count), draw.choice(24, count, p=np.array(PULSE) / sum(PULSE))
    at = np.concatenate([24 * day + hour + draw.random(count), START + HOURS * draw.beta(1.4, 2.6, spike)])
    who = draw.choice(readers, count + spike, p=often / often.sum())
    topic = (tastes[who].cumsum(axis=1) > draw.random((len(who), 1))).argmax(axis=1)
    topic[count:][draw.random(spike) < ON_IT] = len(TOPICS)
    order = np.argsort(at)
    at, who, topic = at[order], who[order], topic[order]
    names = np.array([f"r{number:03}" for number in range(readers)])
    times = [(MONDAY + timedelta(hours=float(each))).isoformat(timespec="milliseconds") for each in at]
    found = articles["name"].to_numpy()[_read(draw, at, topic, articles)]
    told = np.array([*TOPICS, TOPICS[0]])[topic]
    table = pd.DataFrame({"time": times, "reader": names[who], "article": found, "topic": told})
    ordinary = at < 24 * DAYS
    parts = (table[each].reset_index(drop=True) for each in (ordinary, ~ordinary))
    return Site(pd.DataFrame(tastes, names, TOPICS), *parts)


def _articles(draw: np.random.Generator) -> pd.DataFrame:
    """name, topic (a number), born (hours since Monday), weight, fades (hours). Some are older than Monday."""
    import pandas as pd

    count = (DAYS + 3) * A_DAY
    parts = []
    for number, topic in enumerate(TOPICS):
        born = np.sort(draw.uniform(-48, 24 * (DAYS + 1), count))
        born[0] = -48.0
        parts.append(pd.DataFrame({"name": [f"{topic}-{n:02}" for n in range(1, count + 1)], "born": born}))
        parts[-1] = parts[-1].assign(topic=number, weight=draw.lognormal(0, 0.6, count), fades=FADES)
    names = [f"{ELECTION}-{n:02}" for n in range(1, BREAKING + 1)]
    breaking = pd.DataFrame({"name": names, "born": START + np.arange(BREAKING) * 0.25 - 0.01})
    return pd.concat([*parts, breaking.assign(topic=len(TOPICS), weight=1.0, fades=0.75)], ignore_index=True)


def _read(draw: np.random.Generator, at: Array, topic: Array, articles: pd.DataFrame) -> Array:
    """The article of each click, as a row of `articles`. at: in order, hours since Monday."""
    born, about, weight, fades = (articles[each].to_numpy() for each in ("born", "topic", "weight", "fades"))
    quarter, found = (4 * at).astype(int), np.zeros(len(at), int)
    for now in np.unique(quarter):
        age = now / 4 - born
        pull = np.where(age >= 0, weight * np.exp(-age.clip(0) / fades), 0.0)
        for one in np.unique(topic[quarter == now]):
            here = (quarter == now) & (topic == one)
            chance = np.where(about == one, pull, 0.0)
            found[here] = draw.choice(len(articles), int(here.sum()), p=chance / chance.sum())
    return found


# -- what is made of it ------------------------------------------------------------------------------------


def most_read(week: pd.DataFrame, day: str, count: int = 10) -> dict[str, list[str]]:
    """For every reader, what all have clicked most on a day, without what the reader has read already."""
    order = week[week["time"].str.startswith(day)]["article"].value_counts().index
    read = week.groupby("reader")["article"].agg(set)
    return {reader: [each for each in order if each not in seen][:count] for reader, seen in read.items()}


def judge(site: Site, lists: dict[str, list[str]], clicks: pd.DataFrame) -> pd.DataFrame:
    """NDCG@10, recall@10 and the share of the favourite topic, a row a reader, by what was clicked afterwards.

    An article counts once, and only where the reader had not read it in the week.
    """
    import pandas as pd

    read = site.week.groupby("reader")["article"].agg(set)
    favourite, rows = site.tastes.idxmax(axis=1), {}
    for reader, articles in clicks.groupby("reader")["article"]:
        wanted = set(articles) - read.get(reader, set())
        if not wanted or reader not in lists:
            continue
        hits = np.array([each in wanted for each in lists[reader][:10]])
        gains = 1 / np.log2(np.arange(10) + 2)
        about = [each.startswith(f"{favourite[reader]}-") for each in lists[reader][:10]]
        ndcg = (hits * gains[: len(hits)]).sum() / gains[: len(wanted)].sum()
        rows[reader] = (ndcg, hits.sum() / len(wanted), float(np.mean(about)))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["NDCG@10", "recall@10", "of the favourite topic"])


def show_traffic(site: Site) -> Picture:
    """Clicks by the hour, a colour a topic; those on the election apart."""
    table = site.clicks
    hours = (table["time"].map(datetime.fromisoformat) - MONDAY).map(lambda each: each.total_seconds() // 3600)
    counts = table.groupby([hours, _label(table)]).size().unstack(fill_value=0)
    alt = (
        f"Clicks by the hour over {DAYS + 1} days: at most {counts[: 24 * DAYS].sum(axis=1).max()} in the week,"
        f" {counts.sum(axis=1).max()} on the evening of the election"
    )
    figure, axes = open_figure(alt, (9, 3.2))
    axis = axes[0, 0]
    axis.stackplot(counts.index, counts.T, labels=counts.columns, colors=COLOURS)
    axis.set(xlim=(0, counts.index.max()), xticks=range(12, 24 * (DAYS + 1), 24))
    axis.set_xticklabels([f"{MONDAY + timedelta(days=day):%a}" for day in range(DAYS + 1)])
    axis.set_ylabel("clicks an hour")
    axis.legend(loc="upper left", ncols=2, fontsize=9)
    return figure


def show_election(site: Site) -> Picture:
    """Of the day of the election, clicks by the quarter: on articles that Sunday night knew, and on later ones."""
    known = site.election["article"].isin(set(site.week["article"]))
    since = site.election["time"].map(datetime.fromisoformat) - (MONDAY + timedelta(days=DAYS))
    quarters = since.map(lambda each: each.total_seconds() // 900 / 4)
    counts = site.election.groupby([quarters, known]).size().unstack(fill_value=0)
    evening = counts[counts.index >= START - 24 * DAYS]
    share = evening[False].sum() / evening.to_numpy().sum()
    alt = f"Clicks by the quarter of an hour on the election's day: from 20:00 on {share:.0%} on unknown articles"
    figure, axes = open_figure(alt, (9, 2.8))
    axis = axes[0, 0]
    axis.bar(counts.index, counts[True], 0.23, align="edge", color=BLUE, label="known on Sunday night")
    axis.bar(
        counts.index, counts[False], 0.23, align="edge", bottom=counts[True], color=RED, label="published since"
    )
    axis.set(xlim=(0, 24), xticks=range(0, 25, 3), xlabel="hour of the day", ylabel="clicks a quarter of an hour")
    axis.legend(loc="upper left")
    return figure


def show_page(site: Site, readers: Sequence[str], lists: dict[str, list[str]]) -> Any:
    """What the page shows some readers, below what they like best."""
    from IPython.display import HTML

    columns = []
    for reader in readers:
        taste = site.tastes.loc[reader].sort_values(ascending=False)
        likes = ", ".join(f"{topic} {share:.0%}" for topic, share in taste[taste > 0.1].items())
        items = "".join(f"<li>{article}</li>" for article in lists[reader])
        columns.append(
            f"<td style='vertical-align: top; text-align: left'><b>{reader}</b><br>likes {likes}<ol>{items}</ol>"
        )
    return HTML(f"<table><tr>{''.join(columns)}</tr></table>")  # type: ignore[no-untyped-call]


def _label(table: pd.DataFrame) -> Any:
    """The topic of a click, or the election."""
    return table["topic"].where(~table["article"].str.startswith(ELECTION), ELECTION)
