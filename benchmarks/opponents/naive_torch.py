"""The CIFAR-10 tutorial's model in PyTorch, written plainly, as a user of today would write it: an opponent.

    ENVIRONMENT/bin/python naive_torch.py DATA.npz [STEPS [WORKERS]]

DATA.npz holds `x_train`, `y_train`. Eager, float32, PyTorch's own order of channels, a Dataset that distorts image by
image and a DataLoader with two processes. With `WORKERS` below 0 one batch is prepared once and used in every step: the
model alone. The last line is one object: `examples_per_sec`, median of the `windows` after the first.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import sys
import time
from typing import TYPE_CHECKING

os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

if TYPE_CHECKING:
    from collections.abc import Iterator

    Batch = tuple[torch.Tensor, torch.Tensor]

BATCH, WINDOW = 128, 10


class Distorted(Dataset):
    """Images of training: crop, flip, brightness, contrast, standardisation."""

    def __init__(self, path: str) -> None:
        with np.load(path) as file:
            self.images = torch.from_numpy(file["x_train"]).permute(0, 3, 1, 2)
            self.labels = torch.from_numpy(file["y_train"].ravel().astype(np.int64))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Batch:
        top, left = torch.randint(0, 9, (2,)).tolist()
        image = self.images[index, :, top : top + 24, left : left + 24].float()
        if torch.rand(()) < 0.5:  # noqa: PLR2004 - one in two
            image = image.flip(2)
        image = image + torch.empty(()).uniform_(-63, 63)
        mean = image.mean((1, 2), keepdim=True)
        image = (image - mean) * torch.empty(()).uniform_(0.2, 1.8) + mean
        deviation = image.std(correction=0).clamp(min=image.numel() ** -0.5)
        return (image - image.mean()) / deviation, self.labels[index]


def model() -> nn.Sequential:
    """Two convolutions and three dense layers, as in the tutorial."""
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    # PyTorch divides alpha by the size, TensorFlow does not.
    normalise = nn.LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1.0)
    relu = nn.ReLU()
    network = nn.Sequential(
        *(nn.Conv2d(3, 64, 5, padding="same"), relu, pool, normalise),
        *(nn.Conv2d(64, 64, 5, padding="same"), relu, normalise, pool),
        *(nn.Flatten(), nn.Linear(2304, 384), relu, nn.Linear(384, 192), relu),
        nn.Linear(192, 10),
    )
    weighted = [layer for layer in network if hasattr(layer, "weight")]
    starts = ((0.05, 0.0), (0.05, 0.1), (0.04, 0.1), (0.04, 0.1), (1 / 192, 0.0))
    for layer, (deviation, bias) in zip(weighted, starts, strict=True):
        nn.init.trunc_normal_(layer.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
        nn.init.constant_(layer.bias, bias)
    return network


def batches(data: Distorted, workers: int) -> Iterator[Batch]:
    """Batches without end."""
    if workers < 0:
        ready = next(iter(DataLoader(data, BATCH, shuffle=True)))
        yield from itertools.repeat(ready)
    loader = DataLoader(data, BATCH, shuffle=True, drop_last=True, num_workers=workers)
    while True:
        yield from loader


def main(path: str, steps: int = 100, workers: int = 2) -> None:
    """Train, and print the result."""
    network, entropy = model(), nn.CrossEntropyLoss()
    hidden = [layer.weight for layer in network if isinstance(layer, nn.Linear)][:2]
    others = [each for each in network.parameters() if all(each is not one for one in hidden)]
    # SGD's weight decay is the gradient of ½Σw² times it.
    optimiser = torch.optim.SGD(
        [{"params": hidden, "weight_decay": 0.004}, {"params": others}], lr=0.1
    )
    feed, ends, losses = batches(Distorted(path), workers), [], []
    for step, (images, labels) in zip(range(steps), feed, strict=False):
        optimiser.zero_grad()
        loss = entropy(network(images), labels)
        loss.backward()
        optimiser.step()
        if step % WINDOW == WINDOW - 1:
            losses.append(round(loss.item(), 4))
            ends.append(time.perf_counter())
    windows = [round(BATCH * WINDOW / float(length), 1) for length in np.diff(ends)]
    result = {
        "examples_per_sec": round(statistics.median(windows), 1),
        "windows": windows,
        "losses": losses,
        "version": f"torch {torch.__version__}",
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:4]))
