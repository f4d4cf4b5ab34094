"""Who of job runs begins when."""

from __future__ import annotations

import threading

from sagelab.cloud.clock import Clock
from sagelab.cloud.engine.emr_serverless.places import ANY, Place, Places
from tests.waiting import until


class Waits:
    """A run that waits in a thread of its own. began: what came of it; None while it waits."""

    def __init__(self, places: Places, place: Place) -> None:
        self.place, self.began = place, list[bool]()
        places.enter(place)
        threading.Thread(target=lambda: self.began.append(places.wait(place)), daemon=True).start()


def place(
    application: str = "a", most: float = 10, room: tuple[float, float, float] = ANY, need: float = 1
) -> Place:
    return Place(application, most, room, (need, 0, 0), lambda: True)


def test_runs_of_an_application_begin_in_their_order_as_many_as_it_may_have() -> None:
    places = Places(Clock(), at_once=3)
    first, second, third = (Waits(places, place(most=1)) for _ in range(3))
    until(lambda: first.began, lambda began: began == [True])
    assert places.crowded(second.place)
    third.place.asked.set()
    places.wake()
    until(lambda: third.began, lambda began: began == [False])
    places.leave(third.place)
    assert (second.began, places.count("a")) == ([], 2)
    places.leave(first.place)
    until(lambda: second.began, lambda began: began == [True])


def test_a_machine_and_an_application_have_so_much_room() -> None:
    places = Places(Clock(), at_once=2)
    large, small = Waits(places, place(room=(4, 9, 9), need=3)), Waits(places, place(room=(4, 9, 9), need=2))
    until(lambda: large.began, lambda began: began == [True])
    other = Waits(places, place("b"))
    until(lambda: other.began, lambda began: began == [True])
    assert (small.began, places.full, places.crowded(small.place)) == ([], True, False)
    places.leave(other.place)
    last = Waits(places, place("b"))
    until(lambda: last.began, lambda began: began == [True])
    assert small.began == []
    places.leave(large.place)
    until(lambda: small.began, lambda began: began == [True])
