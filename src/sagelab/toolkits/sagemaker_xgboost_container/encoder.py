"""The body of a request as XGBoost takes it."""

from __future__ import annotations

import xgboost

from sagelab.algorithms import tables


def decode(obj: bytes | str, content_type: str) -> xgboost.DMatrix:
    """The rows of a body. UserError: they are not of that type."""
    body = obj.encode() if isinstance(obj, str) else obj
    return xgboost.DMatrix(tables.read_request(body, tables.kind_of(content_type)))


def csv_to_dmatrix(string_like: bytes | str, dtype: object = None) -> xgboost.DMatrix:  # noqa: ARG001
    """Rows of CSV without labels."""
    return decode(string_like, "text/csv")


def libsvm_to_dmatrix(string_like: bytes | str) -> xgboost.DMatrix:
    """Rows of libsvm without labels."""
    return decode(string_like, "text/libsvm")


def recordio_protobuf_to_dmatrix(string_like: bytes) -> xgboost.DMatrix:
    """Records of protobuf."""
    return decode(string_like, "application/x-recordio-protobuf")
