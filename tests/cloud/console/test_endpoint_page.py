"""An endpoint's page: a digit drawn with the mouse, read by a network that learned from MNIST's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.built import build
from tests.cloud.console.browser import TIMEOUT, Window
from tests.cloud.endpoints import Hosting, pack_folder
from tests.conftest import LocalCloud

pytestmark = pytest.mark.slow  # Chromium, and TensorFlow

NETWORK = """
import sys
import keras
from keras.layers import Conv2D, Dense, Flatten, Input
from sagelab.lab import digits

known = digits.load()
keras.utils.set_random_seed(1)
network = keras.Sequential([
    Input((28, 28, 1)), Conv2D(16, 3, 2, activation="relu"), Conv2D(32, 3, 2, activation="relu"),
    Flatten(), Dense(64, activation="relu"), Dense(10, activation="softmax"),
])
network.compile("adam", "sparse_categorical_crossentropy")
network.fit(known.images[..., None] / 255, known.labels, epochs=6, batch_size=64, verbose=0)
network.export(sys.argv[1], verbose=False)
"""
STROKES = {
    1: [(140, 50), (140, 230)],
    3: [(80, 60), (140, 50), (190, 80), (180, 120), (130, 140), (185, 165), (195, 210), (140, 235), (80, 220)],
    7: [(70, 60), (210, 60), (130, 230)],
}

expect.set_options(timeout=TIMEOUT)


@pytest.fixture(scope="module")
def endpoint(cloud: LocalCloud) -> Iterator[str]:
    hosting = Hosting(cloud)
    yield hosting.serve(hosting.config(hosting.model(pack_folder(build(NETWORK)))))
    hosting.close()


def draw(page: Page, digit: int) -> None:
    box = page.locator(".pad").bounding_box()
    assert box is not None
    (x, y), *rest = STROKES[digit]
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.mouse.down()
    for x, y in rest:
        page.mouse.move(box["x"] + x, box["y"] + y, steps=8)
    page.mouse.up()


def test_a_digit_drawn_with_the_mouse_is_read(window: Window, endpoint: str) -> None:
    window.open(f"/endpoints/{endpoint}")
    page = window.page
    for digit in STROKES:
        draw(page, digit)
        expect(page.locator(".verdict strong")).to_have_text(str(digit))
        page.get_by_role("button", name="Clear").click()
        expect(page.locator(".verdict")).to_have_count(0)


def test_a_digit_drawn_with_the_keyboard_is_read(window: Window, endpoint: str) -> None:
    window.open(f"/endpoints/{endpoint}")
    window.page.locator(".pad").focus()
    for key in ["ArrowUp"] * 7 + ["Space"] + ["ArrowDown"] * 14 + ["Space"]:
        window.page.keyboard.press(key)
    expect(window.page.locator(".verdict strong")).to_have_text("1")


def test_invocations_are_on_the_chart_while_they_happen(window: Window, cloud: LocalCloud, endpoint: str) -> None:
    window.open(f"/endpoints/{endpoint}")
    body = json.dumps({"instances": [[[[0.0]] * 28] * 28]})
    runtime = cloud.client("sagemaker-runtime")
    for _ in range(3):
        runtime.invoke_endpoint(EndpointName=endpoint, ContentType="application/json", Body=body)
    chart = window.page.get_by_role("img", name=re.compile(r"Invocations: invocations [1-9]"))
    expect(chart).to_be_visible()
    expect(window.page.get_by_role("img", name=re.compile(r"Latency: model p50 [\d.]+ ms"))).to_be_visible()


def test_any_json_can_be_sent_and_a_refusal_is_shown(window: Window, endpoint: str) -> None:
    window.open(f"/endpoints/{endpoint}")
    page = window.page
    page.get_by_role("tab", name="Send JSON").click()
    page.get_by_label("Body").fill(json.dumps({"instances": [[[[0.0]] * 28] * 28]}))
    page.get_by_role("button", name="Invoke").click()
    expect(page.locator(".log.short")).to_contain_text("predictions")
    page.get_by_label("Body").fill('{"instances": [[1, 2]]}')
    page.get_by_role("button", name="Invoke").click()
    expect(page.locator(".notice.bad")).to_contain_text("ModelError")
