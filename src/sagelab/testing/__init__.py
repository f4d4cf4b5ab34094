"""A local cloud for the tests of a team's own SageMaker code: `docs/testing.md`."""

from sagelab.testing.cloud import LocalCloud

__all__ = ["LocalCloud"]
