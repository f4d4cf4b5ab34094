from __future__ import annotations

import numpy as np

from sagelab.lab import tables
from sagelab.lab.session import Lab


def test_houses_follow_their_recipe() -> None:
    houses = tables.houses(4_000)
    assert houses.equals(tables.houses(4_000))
    usual = houses.drop(index=tables.SLIP)
    assert houses["square_feet"].idxmax() == tables.SLIP
    rest = usual["price"] - 0.145 * usual["square_feet"] - 110 * np.exp(-usual["distance"] / 5)
    medians = [rest[usual["age"].between(*ages)].median() for ages in ((0, 10), (45, 60), (95, 120))]
    assert medians[1] < min(medians[0], medians[2]) - 30
    assert usual["square_feet"].corr(usual["bedrooms"]) > 0.8


def test_one_payment_in_twenty_is_fraudulent() -> None:
    payments = tables.payments(4_000)
    assert payments["fraud"].sum() == 200
    assert payments.groupby("fraud")["amount"].median().diff().iloc[-1] > 0


def test_a_table_comes_back_from_the_bucket_as_it_went(lab: Lab) -> None:
    houses = tables.houses(40)
    uri = tables.put(lab, houses, "delivered", "houses.csv", header=True)
    assert uri == f"s3://{lab.bucket}/{lab.prefix}/delivered/houses.csv"
    assert tables.fetch(lab, uri).equals(houses)
    bare = tables.lines(lab, tables.put(lab, houses, "bare.csv"))
    assert (len(bare), bare[0].count(",")) == (40, 6)


def test_parcels_are_as_untidy_as_their_recipe_says() -> None:
    parcels = tables.parcels(6_000)
    assert parcels.equals(tables.parcels(6_000))
    assert (len(parcels), parcels["parcel"].nunique()) == (6_240, 6_000)
    once = parcels.drop_duplicates("parcel")
    assert once["late"].sum() == 900
    assert set(once["carrier"].str.strip().str.lower()) == set(tables.CARRIERS)
    assert once["carrier"].nunique() == 12
    assert 0.06 < once["kilograms"].isna().mean() < 0.11
    friday = once.groupby(once["weekday"] == 4)["late"].mean()
    assert friday[True] > friday[False] + 0.1
