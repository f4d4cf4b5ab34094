"""Tables that labs learn from, each by a recipe that stands here: houses with their prices, payments, parcels.

They are invented, so nobody's data are in them, and what a model should find is known: it is in the recipe.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from sagelab.lab.session import Lab

Array = np.ndarray[Any, np.dtype[Any]]

SLIP = 17  # the row of the house whose square feet somebody typed with a digit too many
BEDROOMS = (0.08, 0.24, 0.36, 0.24, 0.08)  # the share of houses with one bedroom, two, ...
OLD_TOWN = 0.3  # the share of houses that are some 78 years old
FRAUDS = 0.05  # the share of payments that are fraudulent
LATE = 0.15  # the share of parcels that are late
CARRIERS, CARRIED = ("swift", "heron", "stork", "swan"), (0.4, 0.3, 0.2, 0.1)  # and the share that each has
SERVICES = ("standard", "express", "overnight")
DEPOTS = ("north", "east", "south", "west", "harbour", "airport")
WEEK = (0.18, 0.17, 0.17, 0.17, 0.18, 0.1, 0.03)  # of the parcels on a Monday, ...


def houses(count: int, seed: int = 1) -> pd.DataFrame:
    """Houses that were sold: price in thousands of dollars, square_feet, bedrooms, bathrooms, lot (square feet),
    age (years), distance (miles to the centre).

    Size goes with the rooms, within some 6 %. The price rises with size and towards the centre, falls with the
    age until a house is 50 years old, and rises again from there; some 4 % of it is nobody's doing. Three houses
    in ten stand in the old town. In one row, SLIP, the square feet are ten times what they were.
    """
    import pandas as pd

    draw = np.random.default_rng(seed)
    bedrooms = draw.choice(np.arange(1, 6), count, p=BEDROOMS)
    bathrooms = np.clip(np.round((0.55 * bedrooms + draw.normal(0.3, 0.45, count)) * 2) / 2, 1, 4.5)
    size = (330 + 330 * bedrooms + 260 * bathrooms) * np.exp(draw.normal(0, 0.06, count))
    lot = size * draw.lognormal(np.log(2.6), 0.35, count)
    age = np.where(draw.random(count) < OLD_TOWN, draw.normal(78, 14, count), draw.gamma(3, 7, count))
    age = age.round().clip(0, 120)
    distance = 0.3 + draw.gamma(2.2, 2.5, count)
    worth = 70 + 0.145 * size + 0.006 * lot + 110 * np.exp(-distance / 5)
    worth += 1.5 * np.maximum(age - 50, 0) - 1.5 * np.minimum(age, 50)
    price = worth * np.exp(draw.normal(0, 0.04, count))
    size[SLIP : SLIP + 1] *= 10
    found = {"price": price.round(1), "square_feet": size.round(), "bedrooms": bedrooms, "bathrooms": bathrooms}
    return pd.DataFrame({**found, "lot": lot.round(), "age": age.astype(int), "distance": distance.round(1)})


def payments(count: int, seed: int = 1) -> pd.DataFrame:
    """Payments by card: fraud (0 or 1), amount (dollars), hour (0 to 23), distance (miles from home), minutes
    since the card's last payment, abroad (0 or 1).

    One in twenty is fraudulent, whoever they are of: those tend to be large, late, far away and in a hurry, and
    none of that for certain.
    """
    import pandas as pd

    draw = np.random.default_rng(seed)
    amount, distance = draw.lognormal(3.4, 1.0, count), draw.gamma(1.2, 12, count)
    hour = draw.choice(24, count, p=_waking())
    minutes = draw.gamma(1.1, 500, count)
    abroad = (draw.random(count) < 0.08).astype(int)
    night = (hour < 6).astype(float)
    odds = 1.3 * np.log(amount) + 0.035 * distance + 2.2 * night - 1.0 * np.log1p(minutes / 60) + 1.6 * abroad
    odds += draw.logistic(0, 0.8, count)
    fraud = (odds > np.quantile(odds, 1 - FRAUDS)).astype(int)
    found = {"fraud": fraud, "amount": amount.round(2), "hour": hour, "distance": distance.round(1)}
    return pd.DataFrame({**found, "minutes": minutes.round(), "abroad": abroad})


def parcels(count: int, seed: int = 1) -> pd.DataFrame:
    """Parcels as a shop's systems report them: parcel (its number), late (0 or 1), carrier, service, origin,
    destination, kilometres, kilograms, weekday (0 to 6).

    Some 15 % are late: those that go far by a slow service, and the more on a Friday; each carrier is good from
    some depots and bad from others. What a computer system adds: one row in 25 is reported twice, one weight in
    twelve is missing, and a carrier may be written with capitals or blanks.
    """
    import pandas as pd

    draw = np.random.default_rng(seed)
    carrier, service = draw.choice(4, count, p=CARRIED), draw.choice(3, count, p=(0.6, 0.3, 0.1))
    origin, destination = draw.integers(len(DEPOTS), size=(2, count))
    apart = np.abs(origin - destination)
    far = draw.gamma(4, 30, count) + 160 * apart
    heavy, weekday = draw.lognormal(0.8, 0.8, count), draw.choice(7, count, p=WEEK)
    skill = np.random.default_rng(0).normal(0, 1.2, (len(CARRIERS), len(DEPOTS)))
    odds = far / 220 - 1.4 * service + 0.12 * heavy + 1.3 * (weekday == 4) + skill[carrier, origin]
    odds += draw.logistic(0, 0.7, count)
    late = (odds > np.quantile(odds, 1 - LATE)).astype(int)
    names = np.array(CARRIERS)[carrier]
    style = draw.random(count)
    names = np.where(style < 0.1, np.char.upper(names), np.where(style < 0.2, np.char.add(names, " "), names))
    heavy[draw.random(count) < 1 / 12] = np.nan
    found = {"parcel": np.arange(count), "late": late, "carrier": names, "service": np.array(SERVICES)[service]}
    found |= {"origin": np.array(DEPOTS)[origin], "destination": np.array(DEPOTS)[destination]}
    found |= {"kilometres": far.round(1), "kilograms": heavy.round(2), "weekday": weekday}
    table = pd.DataFrame(found)
    return pd.concat([table, table.iloc[draw.permutation(count)[: count // 25]]], ignore_index=True)


def put(lab: Lab, table: pd.DataFrame, *place: str, header: bool = False) -> str:
    """Put a table into the lab's bucket as CSV and return its S3 URI.

    Without a header and with the label in the first column, as SageMaker's built-in algorithms want it.
    """
    body = io.StringIO()
    table.to_csv(body, index=False, header=header)
    lab.client("s3").put_object(Bucket=lab.bucket, Key="/".join((lab.prefix, *place)), Body=body.getvalue())
    return lab.uri(*place)


def fetch(lab: Lab, uri: str, **how: Any) -> pd.DataFrame:
    """A CSV file in S3 as a table. how: what pandas.read_csv takes besides."""
    import pandas as pd

    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return pd.read_csv(lab.client("s3").get_object(Bucket=bucket, Key=key)["Body"], **how)


def lines(lab: Lab, uri: str) -> list[str]:
    """The lines of a text file in S3, such as the answers of a batch transform job."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    text: str = lab.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    return text.splitlines()


def _waking() -> Array:
    """The share of payments in each hour of a day."""
    weights = np.where(np.arange(24) < 6, 0.25, 1.0)
    share: Array = weights / weights.sum()
    return share
