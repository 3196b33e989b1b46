"""``dlrig bench``."""

from __future__ import annotations

from typing import Any

import rich_click as click

from provision.cli.check import run_checks
from provision.cli.options import output_options, reach_options, scope_options, wish_options


@click.command()
@reach_options
@wish_options
@scope_options
@output_options
def bench(**chosen: Any) -> int:  # noqa: ANN401 - the shared options
    """Measure a rig's training throughput, and nothing else.

    Runs the CIFAR-10 workload in the environments that are installed, on the CPU and on the GPUs.

    Example:

        dlrig bench rigger@10.0.0.7 --steps 300
    """
    return run_checks({**chosen, "markers": "performance or training"})
