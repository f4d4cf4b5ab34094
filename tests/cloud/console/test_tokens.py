from __future__ import annotations

from sagelab.cloud.console.tokens import SESSION_SECONDS, SESSIONS, TOKEN_SECONDS, Logins, write_token


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def logins(clock: Clock, secret: str = "secret", instance: str = "today") -> Logins:
    return Logins(secret, instance, clock)


def test_a_token_opens_one_session() -> None:
    clock = Clock()
    door, token = logins(clock), write_token("secret", "today", clock.now)
    session = door.enter(token)
    assert session is not None
    assert door.admits(session.cookie, session.key)
    assert door.enter(token) is None


def test_a_token_expires() -> None:
    clock = Clock()
    token = write_token("secret", "today", clock.now)
    clock.now += TOKEN_SECONDS
    assert logins(clock).enter(token) is None


def test_a_token_of_another_home_or_an_earlier_start_opens_nothing() -> None:
    clock = Clock()
    token = write_token("secret", "today", clock.now)
    assert logins(clock, secret="another").enter(token) is None
    assert logins(clock, instance="yesterday").enter(token) is None


def test_a_token_cannot_be_made_to_last_longer() -> None:
    clock = Clock()
    expires, _, rest = write_token("secret", "today", clock.now).partition(".")
    assert logins(clock).enter(f"{int(expires) + 3600}.{rest}") is None


def test_what_is_no_token_opens_nothing() -> None:
    door = logins(Clock())
    assert [door.enter(text) for text in ("", ".", "a.b.c", "1.é.x")] == [None] * 4


def test_a_cookie_without_the_pages_key_is_not_enough() -> None:
    clock = Clock()
    door = logins(clock)
    one, other = (door.enter(write_token("secret", "today", clock.now)) for _ in range(2))
    assert one is not None
    assert other is not None
    assert not door.admits(one.cookie, "")
    assert not door.admits(one.cookie, other.key)
    assert not door.admits("", one.key)


def test_a_session_lasts_while_it_is_used() -> None:
    clock = Clock()
    door = logins(clock)
    session = door.enter(write_token("secret", "today", clock.now))
    assert session is not None
    for _ in range(3):
        clock.now += SESSION_SECONDS - 1
        assert door.admits(session.cookie, session.key)
    clock.now += SESSION_SECONDS
    assert not door.admits(session.cookie, session.key)


def test_the_session_least_used_makes_room() -> None:
    clock = Clock()
    door = logins(clock)
    sessions = [door.enter(write_token("secret", "today", clock.now)) for _ in range(SESSIONS)]
    first, second = sessions[0], sessions[1]
    assert first is not None
    assert second is not None
    assert door.admits(first.cookie, first.key)
    assert door.enter(write_token("secret", "today", clock.now)) is not None
    assert door.admits(first.cookie, first.key)
    assert not door.admits(second.cookie, second.key)
