"""The first container of a row: CSV in, and out, in the order of `order.txt` where the model has one."""

from pathlib import Path


def model_fn(model_dir: str) -> list[int]:
    order = Path(model_dir, "order.txt")
    return [int(cell) for cell in order.read_text().split()] if order.exists() else []


def input_fn(body: str, _kind: str) -> list[list[str]]:
    return [line.split(",") for line in body.splitlines()]


def predict_fn(rows: list[list[str]], order: list[int]) -> list[list[str]]:
    return [[row[column] for column in order] if order else row for row in rows]


def output_fn(rows: list[list[str]], _accept: str) -> tuple[str, str]:
    return "\n".join(",".join(row) for row in rows), "text/csv"
