"""A line that all hosts learn together, each from rows of its own, and how its model answers."""

import argparse
import os
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel


def model_fn(model_dir: str) -> torch.nn.Module:
    model = torch.nn.Linear(1, 1)
    model.load_state_dict(torch.load(Path(model_dir, "net.pt")))
    return model


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    arguments = parser.parse_args()
    dist.init_process_group("gloo")
    rank, size = dist.get_rank(), dist.get_world_size()
    rows = torch.arange(8.0)[rank::size].reshape(-1, 1)
    model = DistributedDataParallel(torch.nn.Linear(1, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(arguments.steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(rows), 3 * rows + 1)
        loss.backward()
        optimizer.step()
    print(f"rank {rank} of {size} weight={model.module.weight.item():.4f} loss={loss.item():.6f}")
    if rank == 0:
        torch.save(model.module.state_dict(), Path(arguments.model_dir, "net.pt"))
    dist.destroy_process_group()
