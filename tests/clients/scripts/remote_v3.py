"""SDK v3's @remote: a function that runs as a training job, its answer, its logs; with --error its error."""

# %% A function elsewhere
import sys

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.remote_function import remote

session = Session()
image = image_uris.retrieve(
    "tensorflow", session.boto_region_name, version="2.19", image_scope="training", instance_type="ml.m5.large"
)


@remote(  # type: ignore[untyped-decorator]
    image_uri=image, instance_type="ml.m5.large", sagemaker_session=session, environment_variables={"MODE": "far"}
)
def work(numbers: list[int], factor: int = 2) -> tuple[list[int], str, str]:
    import os
    import socket

    print("working on", len(numbers), "numbers")
    return [number * factor for number in numbers], socket.gethostname(), os.environ["MODE"]


print("came back", work([1, 2, 3], factor=3))


# %% One that fails
@remote(image_uri=image, instance_type="ml.m5.large", sagemaker_session=session)  # type: ignore[untyped-decorator]
def divide(number: int) -> float:
    return 1 / number


if "--error" in sys.argv:
    try:
        divide(0)
    except ZeroDivisionError as error:
        print("raised here:", error)
