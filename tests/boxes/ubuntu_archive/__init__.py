"""Ubuntu's archive and NVIDIA's repository of drivers, and rigs with simulated GPUs that install from them.

    def test_it(ubuntu_rig):
        rig = ubuntu_rig()                                # a box "ubuntu", two RTX 3090, no driver, 10 s
        rig = ubuntu_rig(gpus=(GTX_1060,), secure_boot=True, ubuntu=ubuntu.FIRST)
        play(rig.box, **rig.variables("ubuntu", 580))     # the driver role; also "nvidia", "proprietary", a version
        rig.reboot()                                      # what is loaded changes here and nowhere else; 2 s
        assert rig.loaded == "580.173.02"
        rig.archive.publish_ubuntu("580.173.02")          # a new release appears
        rig.archive.withdraw_ubuntu("580.159.04")         # an old one is gone
        rig.archive.publish_kernel(61)                    # a kernel without modules for it
        rig.archive.ubuntu.mid_sync(requests=3)           # index and signature disagree, three times
        rig.archive.server.down = True                    # nothing answers; server.requests: what was asked
        rig.hide("595.*", 1)                              # with this driver one GPU is missing
        rig.builds_fail(); rig.secure_boot(on=True)

Ubuntu's source is configured; NVIDIA's is not: the role does it, or ``rig.archive.keyring_url``.

Real: apt, dpkg, dkms (Debian's script, without compilers), modinfo, depmod, GnuPG, systemd, the reboot, and the names,
versions and dependencies of the packages as far as they are known. Simulated: the firmware, the PCI bus, /sys/module,
/proc/driver/nvidia, /dev/nvidia* (each is /dev/null), ``uname -r``, the modules' code, the libraries (they load, and
hold nothing), nvidia-smi, nvidia-persistenced, nvcc. Every such file says so.
"""

import sys
from pathlib import Path

# The cards and what is said of them are those of the acceptance's tests, which pytest may not have collected.
sys.path.append(str(Path(__file__).parents[2] / "checks"))

from ubuntu_archive.archive import Archive, Store
from ubuntu_archive.gpus import GTX_1060, H100, RTX_3090, T4, Card
from ubuntu_archive.rig import UbuntuRig

__all__ = ["GTX_1060", "H100", "RTX_3090", "T4", "Archive", "Card", "Store", "UbuntuRig"]
