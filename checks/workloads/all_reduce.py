"""Do all GPUs add up the same numbers, and how fast? NCCL's all-reduce, through the framework.

    python all_reduce.py --device gpu|cpu [--framework auto|torch|tensorflow|jax] [--ranks N] --json

Every rank contributes whole numbers of its own, so the sum is exact. Two rates, as nccl-tests states them: bytes of the
array per second (algorithm), and that times 2(n-1)/n (bus), which the slowest link between n ranks bears.
On the CPU two ranks do the same (gloo with PyTorch): that shows that it works, not how fast a GPU is.
Exit codes: 0 measured and right; 1 a sum is wrong; 2 wrong usage; 3 could not measure. README.md lists the fields.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import program
from devices import Framework, load
from program import WorkloadError, figure, parser, rates, run

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

SIZE = {"cpu": 8 << 20, "gpu": 256 << 20}
"""Bytes of the array on each rank: large enough that bandwidth decides, not latency."""
GIGA = 1e9
WIDTH = 4
_RANK = "DLRIG_ALL_REDUCE_RANK"


def contribution(rank: int) -> float:
    """What a rank adds: whole and small, so float32 holds every sum of them exactly."""
    return float(rank * rank + 1)


def total(ranks: int) -> float:
    """What every element must be."""
    return sum(contribution(rank) for rank in range(ranks))


def result(ranks: int, size: int, samples: list[float], wrong: int) -> dict[str, Any]:
    """The measured part of the result; ``samples`` are GB/s of the array, ``wrong`` elements."""
    bus = 2 * (ranks - 1) / ranks
    return {
        "ranks": ranks,
        "size": size,
        "algorithm": figure(samples),
        "bus": figure([sample * bus for sample in samples]),
        "wrong": wrong,
        "right": wrong == 0,
    }


# ---------------------------------------------------------------- PyTorch: a process per rank


def torch_parent(ranks: int, device: str, limit: float) -> dict[str, Any]:
    """Start a process per rank and wait for all; the first one's account."""
    with tempfile.TemporaryDirectory(prefix="dlrig-all-reduce-") as folder:
        said = [Path(folder) / str(rank) for rank in range(ranks)]
        processes = []
        try:
            for rank in range(ranks):
                environment = {**os.environ, _RANK: f"{rank} {ranks} {folder}/store"}
                # gloo would look up the machine's own name, which many a machine cannot resolve.
                environment.setdefault("GLOO_SOCKET_IFNAME", "lo")
                with said[rank].open("wb") as out:
                    command = [sys.executable, *sys.orig_argv[1:]]
                    processes.append(subprocess.Popen(command, env=environment, stdout=out))  # noqa: S603 - itself
            _all(processes, limit)
        finally:
            for process in processes:
                process.kill()
                process.wait()
        rows = [_account(file) for file in said]
    wrong = sum(row["wrong"] for row in rows)
    return result(ranks, SIZE[device], rows[0]["samples"], wrong)


def _all(processes: list[subprocess.Popen[bytes]], limit: float) -> None:
    """Until all have ended, one has failed, or the time is over."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        codes = [process.poll() for process in processes]
        if all(code is not None for code in codes) or any(codes):
            return
        time.sleep(0.05)
    raise WorkloadError(f"the ranks did not agree within {limit:g} s", "A link or a card hangs.")


def _account(file: Path) -> dict[str, Any]:
    lines = file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    try:
        row: dict[str, Any] = json.loads(lines[-1])
    except (IndexError, ValueError) as error:
        raise WorkloadError(f"rank {file.name} ended without a result") from error
    if "error" in row:
        raise WorkloadError(f"rank {file.name}: {row['error']['what']}")
    return row


def torch_rank(framework: Framework, device: str, seconds: float) -> dict[str, Any]:
    """One rank: its samples, and how many elements were wrong."""
    rank, ranks, store = os.environ[_RANK].split(" ", 2)
    torch = framework.module
    distributed = torch.distributed
    place = framework.cpu() if device == "cpu" else framework.gpus()[int(rank)]
    if not place.cpu:
        torch.cuda.set_device(place.handle)
    distributed.init_process_group(
        "gloo" if place.cpu else "nccl",
        init_method=f"file://{store}",
        rank=int(rank),
        world_size=int(ranks),
    )
    try:
        array = torch.full((SIZE[device] // WIDTH,), contribution(int(rank)), device=place.handle)
        distributed.all_reduce(array)
        wrong = int((array != total(int(ranks))).sum().item())
        array.zero_()

        def work(count: int) -> None:
            for _ in range(count):
                distributed.all_reduce(array)
            framework.wait(array)

        samples = _agreed(framework, work, SIZE[device] / GIGA, seconds, place.handle)
    finally:
        distributed.destroy_process_group()
    return {"samples": samples, "wrong": wrong}


def _agreed(
    framework: Framework,
    work: Callable[[int], None],
    amount: float,
    seconds: float,
    handle: Any,  # noqa: ANN401 - PyTorch's
) -> list[float]:
    """As ``program.rates``, with a number of rounds that all ranks share: one that does more waits for ever."""
    torch = framework.module
    work(2)
    shared = torch.tensor([program.timed(work, 2)], device=handle)
    torch.distributed.all_reduce(shared, op=torch.distributed.ReduceOp.MAX)
    each = max(float(shared.item()) / 2, 1e-6)
    count = max(1, min(1000, round(program.WINDOW / each)))
    windows = max(3, min(program.WINDOWS, round(seconds / (count * each))))
    return [amount * count / program.timed(work, count) for _ in range(windows)]


# ------------------------------------------------- JAX and TensorFlow: one process, all devices


def with_jax(framework: Framework, device: str, seconds: float) -> dict[str, Any]:
    """A sum over all devices of one process."""
    jax, numpy = framework.module, __import__("numpy")
    places = jax.local_devices(backend="cpu") if device == "cpu" else jax.local_devices()
    ranks, count = len(places), SIZE[device] // WIDTH
    _enough(ranks)
    mesh = jax.sharding.Mesh(numpy.array(places), ("ranks",))
    spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("ranks"))
    parts = [
        jax.device_put(numpy.full((1, count), contribution(rank), numpy.float32), place)
        for rank, place in enumerate(places)
    ]
    array = jax.make_array_from_single_device_arrays((ranks, count), spread, parts)
    partition = jax.sharding.PartitionSpec("ranks")
    reduce = jax.jit(
        jax.shard_map(
            lambda part: jax.lax.psum(part, "ranks"),
            mesh=mesh,
            in_specs=partition,
            out_specs=partition,
        )
    )
    wrong = int((reduce(array) != total(ranks)).sum())

    def work(rounds: int) -> None:
        last: Any = None
        for _ in range(rounds):
            last = reduce(array)
            if device == "cpu":
                # Rounds that are queued take each other's threads, and then wait for each other for ever.
                last.block_until_ready()
        last.block_until_ready()

    return result(ranks, SIZE[device], rates(work, SIZE[device] / GIGA, seconds), wrong)


def with_tensorflow(framework: Framework, device: str, seconds: float) -> dict[str, Any]:
    """MirroredStrategy, as training with several GPUs uses it."""
    tf = framework.module
    # The strategy itself has operations that no GPU knows.
    tf.config.set_soft_device_placement(True)
    places = [each.name for each in tf.config.list_logical_devices(device.upper())]
    _enough(len(places))
    ranks, count = len(places), SIZE[device] // WIDTH
    across = (
        tf.distribute.NcclAllReduce() if device == "gpu" else tf.distribute.ReductionToOneDevice()
    )
    strategy = tf.distribute.MirroredStrategy(places, cross_device_ops=across)

    def part(context: Any) -> Any:  # noqa: ANN401 - TensorFlow's
        return tf.fill([count], contribution(context.replica_id_in_sync_group))

    array = strategy.experimental_distribute_values_from_function(part)

    def whole(values: Any) -> Any:  # noqa: ANN401 - TensorFlow's
        def inside(value: Any) -> Any:  # noqa: ANN401 - TensorFlow's
            return tf.distribute.get_replica_context().all_reduce("SUM", value)

        return strategy.run(inside, args=(values,))

    reduce = tf.function(whole)

    def parts(values: Any) -> tuple[Any, ...]:  # noqa: ANN401 - TensorFlow's
        return tuple(strategy.experimental_local_results(values))

    wrong = sum(
        int(tf.reduce_sum(tf.cast(tf.not_equal(each, total(ranks)), "int64")))
        for each in parts(reduce(array))
    )

    def work(rounds: int) -> None:
        last = array
        for _ in range(rounds):
            last = reduce(array)
        for each in parts(last):
            framework.wait(each)

    return result(ranks, SIZE[device], rates(work, SIZE[device] / GIGA, seconds), wrong)


def _enough(ranks: int) -> None:
    if ranks < 2:  # noqa: PLR2004 - alone there is nothing to reduce
        raise WorkloadError(f"an all-reduce needs two devices, and there are {ranks}")


# ---------------------------------------------------------------- The program


def prepare(device: str, ranks: int) -> None:
    """Two or more devices out of one CPU, before JAX starts."""
    if device == "cpu":
        flags = os.environ.get("XLA_FLAGS", "")
        wanted = f"--xla_force_host_platform_device_count={ranks}"
        os.environ["XLA_FLAGS"] = f"{flags} {wanted}".strip()


def split_cpu(framework: Framework, ranks: int) -> None:
    """Two or more devices out of one CPU, before TensorFlow uses it."""
    config = framework.module.config
    parts = [config.LogicalDeviceConfiguration()] * ranks
    config.set_logical_device_configuration(config.list_physical_devices("CPU")[0], parts)


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """All that was asked for."""
    if asked.device not in {"cpu", "gpu"}:
        raise WorkloadError("an all-reduce takes every GPU", "Use --device gpu.", 2)
    prepare(asked.device, asked.ranks)
    framework = load(asked.framework, asked.device)
    if framework.name == "torch" and _RANK in os.environ:
        return torch_rank(framework, asked.device, asked.seconds)
    about = {"program": "all_reduce", "unit": "GB/s", "device": asked.device}
    about |= {"framework": framework.name, "version": framework.version}
    if framework.name == "torch":
        ranks = asked.ranks if asked.device == "cpu" else len(framework.gpus())
        _enough(ranks)
        about["engine"] = "gloo" if asked.device == "cpu" else "nccl"
        return {**about, **torch_parent(ranks, asked.device, asked.time_limit)}
    if framework.name == "jax":
        return {**about, "engine": "XLA", **with_jax(framework, asked.device, asked.seconds)}
    if asked.device == "cpu":
        split_cpu(framework, asked.ranks)
    about["engine"] = "MirroredStrategy"
    return {**about, **with_tensorflow(framework, asked.device, asked.seconds)}


def main() -> int:
    """The program."""
    options = parser(__doc__ or "", seconds=3, limit=300)
    options.add_argument("--ranks", type=int, choices=range(2, 9), default=2, help="on the CPU")
    return run(measure, options)


if __name__ == "__main__":
    sys.exit(main())
