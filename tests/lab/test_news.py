from __future__ import annotations

import numpy as np
import pytest

from sagelab.lab import news


@pytest.fixture(scope="module")
def site() -> news.Site:
    return news.make(readers=60, clicks=4_000, spike=800)


def test_the_same_seed_makes_the_same_clicks(site: news.Site) -> None:
    again = news.make(readers=60, clicks=4_000, spike=800)
    assert again.clicks.equals(site.clicks)
    assert not news.make(readers=60, clicks=4_000, spike=800, seed=2).clicks.equals(site.clicks)


def test_readers_click_by_their_taste(site: news.Site) -> None:
    shares = site.week.groupby("reader")["topic"].value_counts(normalize=True).unstack(fill_value=0)
    tastes = site.tastes.loc[shares.index, shares.columns]
    assert np.corrcoef(shares.to_numpy().ravel(), tastes.to_numpy().ravel())[0, 1] > 0.9


def test_clicks_are_in_the_order_of_their_time_and_the_election_is_on_the_day_after(site: news.Site) -> None:
    assert site.clicks["time"].is_monotonic_increasing
    assert site.week["time"].str[:10].nunique() == news.DAYS
    assert set(site.election["time"].str[:10]) == {news.ELECTION_DAY}
    on_it = site.clicks["article"].str.startswith(news.ELECTION)
    assert not on_it[: len(site.week)].any()
    assert site.spike["article"].str.startswith(news.ELECTION).mean() > 0.6
    assert set(site.clicks[on_it]["topic"]) == {"politics"}


def test_nobody_reads_what_is_not_published_yet(site: news.Site) -> None:
    first = site.clicks[site.clicks["article"] == "election-12"]["time"].min()
    assert first > f"{news.ELECTION_DAY}T22:4"


def test_the_list_that_knows_what_comes_is_judged_best(site: news.Site) -> None:
    read = site.week.groupby("reader")["article"].agg(set)
    clicks = site.election.groupby("reader")["article"].unique()
    knows = {reader: [each for each in found if each not in read[reader]] for reader, found in clicks.items()}
    scores = news.judge(site, {reader: found[:10] for reader, found in knows.items()}, site.election)
    assert scores["NDCG@10"].min() == pytest.approx(1)
    popular = news.most_read(site.week, "2026-11-01")
    assert all(not set(found) & read[reader] for reader, found in popular.items())
    worse = news.judge(site, popular, site.election)
    assert 0 < worse["NDCG@10"].mean() < scores["NDCG@10"].mean()
    assert worse["recall@10"].mean() < scores["recall@10"].mean()


def test_pictures_say_what_they_show(site: news.Site) -> None:
    assert "on the evening of the election" in news.show_traffic(site).alt
    assert "on unknown articles" in news.show_election(site).alt
    reader = site.tastes.index[0]
    assert f"<b>{reader}</b>" in news.show_page(site, [reader], {reader: ["sport-01"]}).data
