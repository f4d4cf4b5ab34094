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
