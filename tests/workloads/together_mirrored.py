"""Print, as JSON, the norms of the weights after a few steps of the program for several machines on two devices of one.

Two halves of the processor stand for two GPUs, and MirroredStrategy for its form over several machines, which takes the
whole processor as one device. Runs under an environment with TensorFlow; takes the folder of the workloads, the mode,
how many steps and the batch of each device.
"""

from __future__ import annotations

import importlib
import json
import sys
import types
from typing import Any

folder, mode, steps, batch = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
sys.path.insert(0, folder)
together = importlib.import_module("together_tensorflow")
base = together.base
tf = base.load_tensorflow("cpu")
processor = tf.config.list_physical_devices("CPU")[0]
halves = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(processor, halves)


class Halves(tf.distribute.MirroredStrategy):  # type: ignore[misc]
    """Over both, with what the program asks a cluster for."""

    cluster_resolver = types.SimpleNamespace(
        task_id=0, cluster_spec=lambda: types.SimpleNamespace(as_dict=dict[str, Any])
    )

    def __init__(self) -> None:
        super().__init__(["CPU:0", "CPU:1"])


tf.distribute.MultiWorkerMirroredStrategy = Halves
options = base.Options(mode=mode, batch=batch, data="synthetic")
engine = together.make(options, base.load(options))
found = {"replicas": engine.replicas, "loss": engine.run(0, steps + 1, exchange=True)}
found |= {"norms": engine.norms(), "total": engine.total(1.5)}
engine.run(steps + 1, 1, exchange=False)
sys.stdout.write(json.dumps(found | {"apart": engine.norms()}))
