"""What the CIFAR-10 tutorial's model has learnt after 2,000 steps of batch 128, by each workload.

    .venv/bin/python benchmarks/accuracy.py DATA [--steps N] [--framework NAME]… [--dtype NAME]…

DATA is what the workloads take: the archive, a folder unpacked from it, or an `.npz` with test images too. What it
holds is said in the table: on all of CIFAR-10, 65 % (raw) and 69 % (moving average of the parameters) are expected.
"""

from __future__ import annotations

import argparse

from training_runs import ours, run, table

FRAMEWORKS, DTYPES = ("tensorflow", "torch", "jax"), ("float32", "bfloat16")


def main() -> None:
    """Train, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--framework", action="append", choices=FRAMEWORKS)
    parser.add_argument("--dtype", action="append", choices=DTYPES)
    given, rows = parser.parse_args(), []
    for framework in given.framework or FRAMEWORKS:
        for dtype in given.dtype or DTYPES:
            way = ours(framework, "limit", dtype, given.data, given.steps, "--evaluate")
            found = run(way).result
            rows.append(
                (
                    way.name,
                    found["data"],
                    str(found["steps"]),
                    f"{found['loss_average']:.2f}",
                    f"{found['accuracy_raw']:.1%}",
                    f"{found['accuracy']:.1%}",
                    f"{found['seconds']:.0f}",
                )
            )
    head = ("", "images", "steps", "loss, average", "accuracy, raw", "of averaged parameters", "s")
    print(table(head, rows))


if __name__ == "__main__":
    main()
