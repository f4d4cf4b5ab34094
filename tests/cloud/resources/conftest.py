from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sagelab.cloud.engine.images.own import OwnImages
from tests.cloud import postgres
from tests.cloud.endpoints import Hosting
from tests.cloud.postgres import Postgres
from tests.cloud.replications import Replications
from tests.cloud.scaling import Scaling, add_image
from tests.conftest import LocalCloud


@pytest.fixture(scope="module")
def scaling(
    request: pytest.FixtureRequest, cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scaling]:
    """Makes endpoints that scale, of an image of the test module's own."""
    name = f"{request.path.stem.replace('_', '-')}:1"
    image = add_image(cloud, tmp_path_factory.mktemp("image"), name)
    made = Scaling(Hosting(cloud), image)
    yield made
    made.hosting.close()
    OwnImages(cloud.home.images).remove(image)


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """A PostgreSQL for all tests of a worker."""
    found = postgres.programs()
    if found is None:
        pytest.skip("there is no PostgreSQL here (Debian's package postgresql)")
    with postgres.own_folder() as folder, postgres.started(folder, found) as started:
        yield started


@pytest.fixture(scope="module")
def dms(cloud: LocalCloud, server: Postgres) -> Replications:
    return Replications(cloud, server)


@pytest.fixture
def database(server: Postgres) -> str:
    return server.database()


@pytest.fixture
def sql(server: Postgres, database: str) -> Iterator[Any]:
    """Runs a statement in the database of a test."""
    with server.connect(database) as connection:
        yield connection.execute
