"""What runs inside an endpoint's container: a model server with the contract of SageMaker's own.

    python3 -m sagelab.serving --model /opt/ml/model --socket /run/http.sock

It stands alone, as a container does: it reads a folder, answers `GET /ping` and `POST /invocations`, prints its
log, and knows nothing of the local cloud around it.
"""
