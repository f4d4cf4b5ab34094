"""tools/lock.py: what it reads from a lock, and what it writes for Conda."""

from __future__ import annotations

from lock import conda, pins

LOCK = """\
appnope==1.0.0 ; sys_platform == 'darwin' \\
    --hash=sha256:aa \\
    --hash=sha256:bb
moto[server]==5.2.5 \\
    --hash=sha256:cc
"""


def test_pins_are_versions_and_conditions_without_hashes() -> None:
    assert pins(LOCK) == ["appnope==1.0.0 ; sys_platform == 'darwin'", "moto[server]==5.2.5"]


def test_pins_of_a_lock_without_hashes_are_its_lines() -> None:
    assert pins("six==1.17.0\nrsa==4.7.2\n") == ["six==1.17.0", "rsa==4.7.2"]


def test_condas_environment_keeps_its_head_and_ends_with_the_project() -> None:
    before = "# why\nname: one\ndependencies:\n  - pip:\n      - old==1\n      - -e .\n"
    after = conda(before, ["new==2", "other==3"])
    assert after == "# why\nname: one\ndependencies:\n  - pip:\n      - new==2\n      - other==3\n      - -e .\n"
    assert conda(after, ["new==2", "other==3"]) == after
