"""What of a home is damaged: looked for before a start, so that nothing is written over what can be saved."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from sagelab.cloud import master, tls
from sagelab.cloud.errors import HomeDamaged
from sagelab.cloud.home import DATABASES_MADE, Home

# File -> a table that it has from its first start on, and what it holds.
DATABASES = {
    "sagelab.db": ("resources", "SageMaker's resources"),
    "services.db": ("backends", "what every other service holds"),
}

_AWAY = "Put a copy of it back, or move it away: its stream begins anew, without what it held."


def refuse(home: Home) -> None:
    """HomeDamaged: a file of the home is; nothing of it was changed."""
    for found in find(home):
        raise found


def find(home: Home, whole: bool = False) -> Iterator[HomeDamaged]:
    """What is damaged. whole: every page of the databases is looked at, which takes as long as reading them."""
    for name in DATABASES:
        if what := _examine(home, home.path / name, whole):
            yield HomeDamaged(home.path / name, what, _advise(home.path / name))
    for file in sorted((home.path / "streams").glob("*.db")):
        if what := _examine_stream(file, whole):
            yield HomeDamaged(
                file, what, f"Nothing was changed: {count_rows(file):,} of its rows can be read. {_AWAY}"
            )
    keys = (partial(tls.check, home), partial(_check_master, home))
    for read in (home.credentials, home.settings, home.sessions, *keys):
        try:
            read()
        except HomeDamaged as error:
            yield error


def _check_master(home: Home) -> None:
    """HomeDamaged: what the home holds is encrypted with another master key than there is."""
    found = None
    with suppress(sqlite3.DatabaseError), closing(_connect(home.path / "services.db")) as db:
        found = db.execute("SELECT fingerprint FROM master").fetchone()
    master.check(home.path, found[0] if found else None)


def _examine(home: Home, file: Path, whole: bool) -> str | None:
    table, _ = DATABASES[file.name]
    if not file.exists():
        return "is missing, though this home has had it" if home.had_databases else None
    try:
        with closing(_connect(file)) as db:
            if table not in _tables(db):
                return "is empty, though it has held something" if home.had_databases else None
            verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0] if whole else "ok"
    except sqlite3.OperationalError:
        return None  # it cannot be opened now: a start says why
    except sqlite3.DatabaseError as error:
        return f"is damaged ({error})"
    return None if verdict == "ok" else f"is damaged ({verdict.splitlines()[-1]})"


def _examine_stream(file: Path, whole: bool) -> str | None:
    try:
        with closing(_connect(file)) as db:
            _tables(db)
            verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0] if whole else "ok"
    except sqlite3.OperationalError:
        return None
    except sqlite3.DatabaseError as error:
        return f"is damaged ({error})"
    return None if verdict == "ok" else f"is damaged ({verdict.splitlines()[-1]})"


def _advise(file: Path) -> str:
    _, held = DATABASES[file.name]
    return (
        f"Nothing was changed: {count_rows(file):,} of its rows can be read. "
        f"Put a copy of it back, or move it away and delete {DATABASES_MADE} to begin without {held}."
    )


def count_rows(file: Path) -> int:
    """Rows of a database, of every table, that can be read in spite of what is damaged."""
    count = 0
    with suppress(sqlite3.DatabaseError), closing(_connect(file)) as db:
        for table in _tables(db):
            with suppress(sqlite3.DatabaseError):
                for _ in db.execute(f'SELECT * FROM "{table}"'):
                    count += 1
    return count


def _tables(db: sqlite3.Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
