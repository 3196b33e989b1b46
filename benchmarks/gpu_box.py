"""A box with two pretended GPUs and a real environment: something for both sides of a comparison to ask about.

Real are the system, the environment ``tensorflow`` that ``dlrig up`` made, and the driver's user space, from
Debian's packages. Pretended are what the kernel would show of two GTX 1060 (their PCI functions, modules and device
nodes) and ``nvidia-smi``, which answers from tables, at once: a real one takes a tenth of a second or more each
time that it is called.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provision.box import Box, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
USER = "rigger"
"""Who logs in; may use sudo without a password."""
PACKAGES = ("libcuda1", "libnvidia-ml1", "nvidia-smi")
_MACHINE = "gtx1060x2"
_PLACE = "/usr/local/lib/pretended"

_SMI = r"""#!/bin/sh
# pretended nvidia-smi: answers from tables
place=PLACE
case "$*" in
'-q -x') exec cat $place/query.xml ;;
'topo -m') exec cat $place/topology ;;
nvlink*) exit 0 ;;
-L) exec cat $place/list ;;
--query-compute-apps=*) exit 0 ;;
--query-gpu=*) ;;
*) echo "Invalid combination of input arguments. Please run 'nvidia-smi -h' for help."; exit 2 ;;
esac
fields=${1#*=}
case "$*" in *noheader*) ;; *) echo "$fields" | sed 's/,/, /g' ;; esac
case "$*" in *nounits*) units='s/ [A-Za-z%]*$//' ;; *) units='' ;; esac
for card in $place/card*; do
  line=''
  for field in $(echo "$fields" | tr , ' '); do
    value=$(sed -n "s/^$field=//p" "$card" | sed "$(case $field in name) ;; *) echo "$units" ;; esac)")
    line="$line, ${value:-[N/A]}"
  done
  echo "${line#, }"
done
"""

_INSTALL = """set -e
export DEBIAN_FRONTEND=noninteractive
sed -i 's/^Components: .*/& contrib non-free/' /etc/apt/sources.list.d/debian.sources
apt-get update
apt-get install --yes --no-install-recommends PACKAGES
apt-mark hold PACKAGES
"""

_TOPOLOGY = """\tGPU0\tGPU1\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID
GPU0\t X \tPHB\t0-1\t0\t\tN/A
GPU1\tPHB\t X \t0-1\t0\t\tN/A
"""

# What the kernel would show. The bus and the modules of this machine are the box's too: they are covered.
_KERNEL = r"""set -e
for place in /sys/bus/pci/devices /sys/module /proc/driver; do
  mount -t tmpfs -o mode=0755 pretended $place
done
cd /sys/bus/pci/devices
while read -r address class device driver; do
  mkdir $address
  cd $address
  echo 0x10de >vendor
  echo $class >class
  echo $device >device
  echo 0x1458 >subsystem_vendor
  echo 0x3724 >subsystem_device
  echo 0 >numa_node
  echo 0-1 >local_cpulist
  echo '2.5 GT/s PCIe' >current_link_speed
  echo '8.0 GT/s PCIe' >max_link_speed
  echo 16 | tee current_link_width >max_link_width
  ln -s ../../../../bus/pci/drivers/$driver driver
  cd ..
done <<'END'
0000:01:00.0 0x030000 0x1c03 nvidia
0000:01:00.1 0x040300 0x10f1 snd_hda_intel
0000:02:00.0 0x030000 0x1c03 nvidia
0000:02:00.1 0x040300 0x10f1 snd_hda_intel
END
for module in nvidia nvidia_uvm nvidia_modeset nvidia_drm; do
  mkdir /sys/module/$module
  echo VERSION >/sys/module/$module/version
done
mkdir /proc/driver/nvidia
echo 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  VERSION  Release Build' >/proc/driver/nvidia/version
n=0
for node in nvidia0 nvidia1 nvidiactl nvidia-modeset nvidia-uvm nvidia-uvm-tools; do
  mknod -m 666 /dev/$node c 195 $n || { touch /dev/$node; chmod 666 /dev/$node; }
  n=$((n + 1))
done
"""


@contextmanager
def gpu_box(name: str = "bench") -> Iterator[Box]:
    """The box, ready; a minute and the downloads of TensorFlow."""
    with (
        tempfile.TemporaryDirectory() as state,
        Box.start(name, "debian-12", Settings(python=True)) as box,
    ):
        _environment(box, state)
        box.shell(_INSTALL.replace("PACKAGES", " ".join(PACKAGES)), limit=300)
        version = box.shell("dpkg-query -W -f '${Version}' libcuda1").stdout.rpartition("-")[0]
        _pretend(box, version)
        yield box


def _environment(box: Box, state: str) -> None:
    options = ["--ssh-config", str(box.ssh_config), "--yes", "--no-check"]
    command = [sys.executable, "-m", "provision", "up", box.target_for(USER), *options]
    environment = {**os.environ, "DLRIG_STATE": state}
    done = subprocess.run(
        command, env=environment, cwd=ROOT, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"dlrig up: {done.returncode}\n{(done.stdout + done.stderr)[-4000:]}")


def _pretend(box: Box, version: str) -> None:
    """Put ``nvidia-smi`` and the tables there, then the kernel's side."""
    place = box.path(_PLACE)
    place.mkdir(parents=True)
    made, query = _made()
    machine = replace(made, driver=version)
    (place / "query.xml").write_text(query(machine))
    (place / "topology").write_text(_TOPOLOGY)
    names = []
    for number in range(machine.count):
        fields = _fields(machine, number)
        lines = "".join(f"{key}={value}\n" for key, value in fields.items())
        (place / f"card{number}").write_text(lines)
        names.append(f"GPU {number}: {fields['name']} (UUID: {fields['uuid']})\n")
    (place / "list").write_text("".join(names))
    program = box.path("/usr/local/bin/nvidia-smi")
    program.write_text(_SMI.replace("PLACE", _PLACE))
    program.chmod(0o755)
    box.shell(_KERNEL.replace("VERSION", version))


def _made() -> tuple[Any, Any]:
    """The machine, and what writes the document of ``nvidia-smi -q -x``: both are the tests'."""
    sys.path.insert(0, str(ROOT / "tests" / "checks"))
    machines = importlib.import_module("made_rigs").MACHINES
    return machines[_MACHINE], importlib.import_module("made_smi_query").query


def _fields(machine: Any, number: int) -> dict[str, object]:  # noqa: ANN401 - a type of the tests'
    """By the names of ``nvidia-smi --help-query-gpu``; what a GTX 1060 does not have is left out."""
    card = machine.card
    fields: dict[str, object] = {
        "index": number,
        "count": machine.count,
        "name": card.name,
        "uuid": machine.uuid(number),
        "pci.bus_id": "0000" + machine.address(number).upper(),
        "driver_version": machine.driver,
        "vbios_version": "96.00.89.00.01",
        "inforom.img": "G520.0200.00.05",
        "persistence_mode": "Enabled",
        "compute_mode": "Default",
        "reset_status.reset_required": "No",
        "pstate": "P8",
        "memory.total": f"{card.memory} MiB",
        "memory.used": "1 MiB",
        "utilization.gpu": "0 %",
        "temperature.gpu": 31,
        "temperature.gpu.tlimit": "[N/A]",
        "power.draw": "9.60 W",
        "power.limit": f"{card.power:.2f} W",
        "power.default_limit": f"{card.power:.2f} W",
        "pcie.link.gen.current": 1,
        "pcie.link.gen.max": card.generation,
        "pcie.link.width.current": card.width,
        "pcie.link.width.max": card.width,
        "clocks_throttle_reasons.active": "0x0000000000000001",
    }
    reasons = (
        "hw_slowdown",
        "hw_thermal_slowdown",
        "hw_power_brake_slowdown",
        "sw_thermal_slowdown",
    )
    for word in ("throttle", "event"):
        fields |= {f"clocks_{word}_reasons.{reason}": "Not Active" for reason in reasons}
    return fields
