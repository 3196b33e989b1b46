r"""Train the CIFAR-10 tutorial model on the devices of several machines at once, with DistributedDataParallel.

Needs `cifar10_torch.py` and `together_training.py` beside it. One process per device, started by torchrun
(https://docs.pytorch.org/docs/stable/elastic/run.html) on every machine with the same options:

    torchrun --nnodes 2 --nproc-per-node 2 --node-rank 0 --master-addr 10.0.0.1 --master-port 2222 \
        together_torch.py --steps 100 --device all

or by whatever sets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT; then the first process's port listens at
that address alone. Without them it trains on one device. Options and exit codes: those of `cifar10_torch.py`; `--batch`
is per device. NCCL carries the gradients of GPUs, gloo those of CPUs; neither asks anybody who he is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import socket
from typing import TYPE_CHECKING, Any

import cifar10_torch as base
import together_training as training

if TYPE_CHECKING:
    from types import ModuleType

Tensor = Any
SEEDS_APART = 1009
"""Each device draws its own batches: its seed is so far from its neighbour's."""
PATIENCE = 300.0
"""Seconds to wait for the others at most, in the beginning and in each exchange."""


class Parallel:
    """See `together_training.Engine`. The gradients are exchanged while the backward pass still computes others."""

    devices = 1

    def __init__(self, options: base.Options, images: base.Images) -> None:
        self.rank = int(os.environ.get("RANK", "0"))
        self.processes = self.replicas = int(os.environ.get("WORLD_SIZE", "1"))
        self.backend = base.Backend(options)
        self.torch = torch = self.backend.torch
        self.device = self._own_device()
        self.name = "gloo" if options.device == "cpu" else "nccl"
        if self.replicas > 1:
            meet(torch, self.name, self.rank, self.replicas, min(PATIENCE, options.time_limit))
        seed = (options.seed + SEEDS_APART * self.rank) % 2**31
        own = base.Trainer(torch, [self.device], images, dataclasses.replace(options, seed=seed))
        (tower,) = own.towers
        self.inputs, self.feed = tower.inputs, own.feed
        self.model = self._parallel(_module(torch, tower.weights, fast=own.fast))
        self.weights = list(self.model.parameters())
        # The first process's weights are everybody's now.
        self.averages = [weight.detach().clone() for weight in self.weights]
        self.gradient_bytes = sum(weight.numel() * 4 for weight in self.weights)

    def _own_device(self) -> Any:  # noqa: ANN401 - a torch.device
        if self.backend.devices[0].type == "cpu":
            return self.backend.devices[0]
        device = self.torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        self.torch.cuda.set_device(device)
        self.backend.devices = [device]
        return device

    def _parallel(self, model: Any) -> Any:  # noqa: ANN401 - torch has no types here
        if self.replicas == 1:
            return model
        devices = None if self.device.type == "cpu" else [self.device]
        return self.torch.nn.parallel.DistributedDataParallel(model, device_ids=devices)

    def run(self, first: int, count: int, *, exchange: bool) -> float:
        """See `together_training.Engine`."""
        loss = self.torch.zeros(())
        for number in range(first, first + count):
            images, labels = self.inputs(*next(self.feed))
            apart = exchange or self.replicas == 1
            with contextlib.nullcontext() if apart else self.model.no_sync():
                loss = self.model(images, labels)
                loss.backward()
            self._follow(*map(float, base.schedule(number)))
        return float(loss.detach())

    def _follow(self, rate: float, decay: float) -> None:
        with self.torch.no_grad():
            for weight, average in zip(self.weights, self.averages):  # noqa: B905 - Python 3.9 has no strict
                weight.sub_(weight.grad, alpha=rate)
                weight.grad = None
                average.lerp_(weight, 1 - decay)

    def total(self, value: float) -> float:
        """See `together_training.Engine`."""
        given = self.torch.tensor(value, device=self.device)
        if self.replicas > 1:
            self.torch.distributed.all_reduce(given)
        return float(given)

    def norms(self) -> list[float]:
        """See `together_training.Engine`."""
        return [float(weight.detach().norm()) for weight in self.weights]

    def close(self) -> None:
        """Leave the group."""
        if self.replicas > 1:
            self.torch.distributed.destroy_process_group()


def meet(torch: ModuleType, name: str, rank: int, processes: int, patience: float) -> None:
    """Wait for the others at MASTER_ADDR; the first process listens there, and at no other address."""
    distributed, limit = torch.distributed, dt.timedelta(seconds=patience)
    if "TORCHELASTIC_RUN_ID" in os.environ:  # torchrun's agent listens already
        distributed.init_process_group(name, timeout=limit)
        return
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    lead, given = rank == 0, {}
    if lead:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listening = socket.create_server((address, port), family=family)
        given = {"master_listen_fd": listening.detach()}  # it is the store's from here on
    store = distributed.TCPStore(
        address, port, processes, lead, limit, wait_for_workers=False, **given
    )
    distributed.init_process_group(
        name, store=store, rank=rank, world_size=processes, timeout=limit
    )


def _module(torch: ModuleType, weights: list[Tensor], *, fast: bool) -> Any:  # noqa: ANN401 - torch has no types here
    """The model as DistributedDataParallel wants it: weights that are its own, and a forward pass to the loss."""

    class Model(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.weights = torch.nn.ParameterList([weight.detach() for weight in weights])

        def forward(self, images: Tensor, labels: Tensor) -> Tensor:
            return base.total_loss(torch, list(self.weights), images, labels, fast=fast)

    return Model()


def make(options: base.Options, images: base.Images) -> training.Engine:
    """The engine of this process; waits for the others."""
    return Parallel(options, images)


if __name__ == "__main__":
    training.main(base, make)
