from __future__ import annotations

from collections.abc import Iterator

import pytest

from sagelab.cloud.engine.images.own import OwnImages
from tests.cloud.endpoints import Hosting
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
