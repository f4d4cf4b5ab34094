"""Train a small network on several hosts that exchange their gradients after every batch, and time the exchange.

Every host takes its share of the digits, computes gradients, sends them to the first host and gets the mean of all
back: 4.8 MB each way. Nothing but NumPy and a socket, so that nothing but the network is measured. The first host
prints a line an epoch.
"""

import json
import socket
import time
from pathlib import Path

import numpy as np

HIDDEN, BATCH, EPOCHS, RATE, PORT = 1500, 256, 3, 0.1, 7777
RESOURCES = Path("/opt/ml/input/config/resourceconfig.json")
DIGITS = Path("/opt/ml/input/data/training/digits.npz")  # uint8: "images" (n, 28, 28), "labels" (n,)


def meet(hosts, me):
    """Sockets to the other hosts: the first has one to each, the others one to the first."""
    if me == hosts[0]:
        with socket.create_server(("", PORT)) as server:
            return [server.accept()[0] for _ in hosts[1:]]
    for _ in range(300):
        try:
            return [socket.create_connection((hosts[0], PORT), timeout=60)]
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{hosts[0]} does not answer")


def receive(peer, like):
    """An array of the form of `like` from a socket."""
    found = np.empty_like(like)
    view = memoryview(found).cast("B")
    while view:
        count = peer.recv_into(view)
        if not count:
            raise SystemExit("the other host has gone")
        view = view[count:]
    return found


def average(gradient, peers, first):
    """The mean of all hosts' gradients; everybody gets the same."""
    if not first:
        peers[0].sendall(gradient)
        return receive(peers[0], gradient)
    mean = (gradient + sum(receive(peer, gradient) for peer in peers)) / (len(peers) + 1)
    for peer in peers:
        peer.sendall(mean)
    return mean


def step(weights, images, labels):
    """The loss of a batch and the gradient, all in one row: two layers, ReLU between them, softmax."""
    first, second = split(weights)
    hidden = np.maximum(images @ first, 0)
    scores = hidden @ second
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    scores /= scores.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = -np.log(scores[rows, labels] + 1e-9).mean()
    scores[rows, labels] -= 1
    back = (scores @ second.T) * (hidden > 0)
    return loss, np.concatenate([(images.T @ back).ravel(), (hidden.T @ scores).ravel()]) / len(labels)


def split(weights):
    """The two layers in a row of weights, as views."""
    edge = 784 * HIDDEN
    return weights[:edge].reshape(784, HIDDEN), weights[edge:].reshape(HIDDEN, 10)


def main():
    config = json.loads(RESOURCES.read_text())
    hosts, me = sorted(config["hosts"]), config["current_host"]
    digits = np.load(DIGITS)
    images = digits["images"].reshape(-1, 784)[hosts.index(me) :: len(hosts)].astype(np.float32) / 255
    labels = digits["labels"][hosts.index(me) :: len(hosts)]
    weights = np.random.default_rng(0).normal(0, 0.03, 784 * HIDDEN + HIDDEN * 10).astype(np.float32)
    peers = meet(hosts, me)
    for epoch in range(1, EPOCHS + 1):
        began, waited = time.monotonic(), 0.0
        for start in range(0, len(images), BATCH):
            batch = slice(start, start + BATCH)
            loss, gradient = step(weights, images[batch], labels[batch])
            sent = time.monotonic()
            weights -= RATE * average(gradient.astype(np.float32), peers, me == hosts[0])
            waited += time.monotonic() - sent
        if me == hosts[0]:
            seconds = time.monotonic() - began
            told = {
                "epoch": epoch,
                "seconds": round(seconds, 3),
                "exchange": round(waited, 3),
                "loss": float(loss),
            }
            print(json.dumps(told), flush=True)
    np.save("/opt/ml/model/weights.npy", weights)


if __name__ == "__main__":
    main()
