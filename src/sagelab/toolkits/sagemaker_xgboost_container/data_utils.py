"""Files of a channel as XGBoost takes them."""

from __future__ import annotations

from pathlib import Path

import xgboost

from sagelab.algorithms import tables
from sagelab.algorithms.job import UserError


def get_content_type(content_type: str | None) -> str:
    """csv, libsvm, parquet or recordio-protobuf. UserError: it is none of them."""
    return tables.kind_of(content_type)


def get_size(dir_path: str, is_pipe: bool = False) -> int:  # noqa: ARG001 - the toolkit's signature
    """Bytes of all files of a folder, or of a file."""
    place = Path(dir_path)
    files = [place] if place.is_file() else place.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def get_dmatrix(
    data_path: str | None, content_type: str, csv_weights: int = 0, is_pipe: bool = False
) -> xgboost.DMatrix | None:
    """The rows of a folder's files; None where there are none. UserError: they are not of that type."""
    if is_pipe:
        raise UserError("Pipe mode is not here: the channel's files are in its folder.")
    if data_path is None or not Path(data_path).is_dir():
        return None
    table = tables.read_files(Path(data_path), tables.kind_of(content_type), bool(csv_weights))
    return table and xgboost.DMatrix(table.features, table.labels, weight=table.weights)
