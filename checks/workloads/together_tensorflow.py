r"""Train the CIFAR-10 tutorial model on the devices of several machines at once, with MultiWorkerMirroredStrategy.

Needs `cifar10_tensorflow.py` and `together_training.py` beside it. Start it on every machine, with the same options and
TF_CONFIG (https://www.tensorflow.org/guide/distributed_training):

    TF_CONFIG='{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}' \
        python together_tensorflow.py --steps 100 --device all

Without TF_CONFIG it trains on this machine alone. Options and exit codes: those of `cifar10_tensorflow.py`; `--batch`
is per device. TensorFlow's port listens on every address of the machine and asks nobody who he is: close it to others.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
from typing import TYPE_CHECKING, Any

import cifar10_tensorflow as base
import together_training as training

if TYPE_CHECKING:
    from collections.abc import Iterator

Tensor = Any
SEEDS_APART = 1009
"""Each device draws its own batches: its seed is so far from its neighbour's."""
SILENCE = 60.0
"""Seconds."""


class Mirrored:
    """See `together_training.Engine`. Every device has its own copy of the weights; only gradients are exchanged."""

    def __init__(self, options: base.Options, images: base.Images) -> None:
        self.backend = base.Backend(options)
        self.tf = tf = self.backend.tf
        be_patient()
        self.strategy = tf.distribute.MultiWorkerMirroredStrategy()
        resolver = self.strategy.cluster_resolver
        self.rank = int(resolver.task_id or 0)
        self.processes = max(1, len(resolver.cluster_spec().as_dict().get("worker", ())))
        self.devices = len(self.backend.devices)
        self.replicas = int(self.strategy.num_replicas_in_sync)
        self.name = "ring (gRPC)" if options.device == "cpu" else "nccl"
        self.fast = options.mode == "limit"
        self.places = list(self.strategy.extended.worker_devices)
        start = base.initial_weights(options.seed)
        with self.strategy.scope():
            self.weights = [self._own(value) for value in start]
            self.averages = [self._own(value) for value in start]
        self.gradient_bytes = sum(value.nbytes for value in start)
        self.inputs, self.feeds = self._inputs(options, images)
        self.steps = {
            exchange: tf.function(self._step(exchange=exchange), autograph=False)
            for exchange in (True, False)
        }
        self.sum = tf.function(self._sum, autograph=False)

    def _own(self, value: Tensor) -> Tensor:
        """A variable of which each device writes its own copy, without any word to the others."""
        sync, mean = self.tf.VariableSynchronization.ON_READ, self.tf.VariableAggregation.MEAN
        return self.tf.Variable(value, synchronization=sync, aggregation=mean)

    def _inputs(
        self, options: base.Options, images: base.Images
    ) -> tuple[list[Any], list[Iterator[Any]]]:
        inputs: list[Any] = []
        feeds: list[Iterator[Any]] = []
        for local, place in enumerate(self.places):
            mine = self.rank * len(self.places) + local
            changed = options.seed + SEEDS_APART * mine
            own = _seeded(options, changed % 2**31)
            if self.fast:
                with self.tf.device(place):
                    inputs.append(base.resident_inputs(self.tf, images, options.dtype))
                feeds.append(base.index_batches(len(images.train), options.batch, own.seed))
            else:
                inputs.append(lambda *fed: fed)
                feeds.append(base.tutorial_batches(self.tf, images, own))
        return inputs, feeds

    def _step(self, *, exchange: bool) -> Any:  # noqa: ANN401 - TensorFlow's functions have no type
        def on_device(first: Tensor, second: Tensor, rate: Tensor, decay: Tensor) -> Tensor:
            tf = self.tf
            context = tf.distribute.get_replica_context()
            images, labels = self.inputs[self._local()](first, second)
            weights = [weight.read_value() for weight in self.weights]  # this device's own copies
            with tf.GradientTape() as tape:
                tape.watch(weights)
                loss = base.total_loss(tf, weights, images, labels, fast=self.fast)
            gradients = tape.gradient(loss, weights)
            if exchange:
                gradients = context.all_reduce(tf.distribute.ReduceOp.MEAN, gradients)
            for weight, average, gradient in zip(self.weights, self.averages, gradients):  # noqa: B905 - Python 3.9
                weight.assign_sub(rate * gradient)
                average.assign_sub((1 - decay) * (average - weight))
            return loss

        return lambda *arguments: self.strategy.run(on_device, args=arguments)

    def _local(self) -> int:
        """Which of this process's devices the present function is traced for."""
        if len(self.places) == 1:
            return 0
        return self.places.index(self.tf.zeros(()).device)

    def _sum(self, value: Tensor) -> Tensor:
        def on_device(one: Tensor) -> Tensor:
            context = self.tf.distribute.get_replica_context()
            # An argument alone has no place, and the reduction asks for one.
            with self.tf.device(self.places[self._local()]):
                one = self.tf.identity(one)
            return context.all_reduce(self.tf.distribute.ReduceOp.SUM, one)

        return self.strategy.run(on_device, args=(value,))

    def _first(self, values: Any) -> float:  # noqa: ANN401 - as above
        return float(self.strategy.experimental_local_results(values)[0].numpy())

    def run(self, first: int, count: int, *, exchange: bool) -> float:
        """See `together_training.Engine`."""
        loss = None
        for number in range(first, first + count):
            batches = [next(feed) for feed in self.feeds]
            loss = self.steps[exchange](*self._spread(batches), *base.schedule(number))
        return self._first(loss)

    def _spread(self, batches: list[Any]) -> list[Any]:
        """Each device's batch at that device."""
        if len(batches) == 1:
            return list(batches[0])
        give = self.strategy.experimental_distribute_values_from_function
        return [
            give(lambda at, part=part: batches[at.replica_id_in_sync_group % len(batches)][part])
            for part in range(2)
        ]

    def total(self, value: float) -> float:
        """See `together_training.Engine`."""
        return self._first(self.sum(self.tf.constant(value)))

    def norms(self) -> list[float]:
        """See `together_training.Engine`."""
        local = self.strategy.experimental_local_results
        return [float(self.tf.norm(local(weight)[0]).numpy()) for weight in self.weights]

    def close(self) -> None:
        """Nothing: TensorFlow's own farewell waits for processes that may have gone."""


def be_patient() -> None:
    """Let a process be silent for a minute, not for ten seconds, before the others give it up as dead.

    A machine that has much else to do can be silent that long. TensorFlow has no public setting for it; where its
    own one has another name, the ten seconds stay.
    """
    with contextlib.suppress(ImportError, AttributeError):
        context = importlib.import_module("tensorflow.python.eager.context").context()
        context.configure_coordination_service = functools.partial(
            context.configure_coordination_service, heartbeat_timeout_in_ms=int(SILENCE * 1000)
        )


def _seeded(options: base.Options, seed: int) -> base.Options:
    return dataclasses.replace(options, seed=seed)


def make(options: base.Options, images: base.Images) -> training.Engine:
    """The engine of this process; waits for the others."""
    return Mirrored(options, images)


if __name__ == "__main__":
    training.main(base, make)
