"""Print, as JSON, the norms of the weights after a few steps of two devices in one process, fed as two machines are.

Runs under the Python of an environment with the framework; takes its name, the folder of the workloads, how many steps
and the batch of each device.
"""

from __future__ import annotations

import importlib
import itertools
import json
import sys

import numpy as np

framework, folder, steps, batch = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
sys.path.insert(0, folder)
workload = importlib.import_module(f"cifar10_{framework}")
apart = importlib.import_module(f"together_{framework}").SEEDS_APART
options = workload.Options(mode="limit", batch=batch, data="synthetic")
images = workload.load(options)
backend = workload.Backend(options)
backend.devices = backend.devices * 2
trainer = backend.trainer(images)
feeds = [workload.index_batches(len(images.train), batch, seed) for seed in (0, apart)]
trainer.feed = itertools.chain.from_iterable(zip(*feeds, strict=True))
trainer.run(0, steps + 1)
weights = trainer.towers[0].weights
arrays = [each.numpy() if framework == "tensorflow" else each.detach().numpy() for each in weights]
sys.stdout.write(json.dumps([float(np.linalg.norm(array.astype(np.float64))) for array in arrays]))
