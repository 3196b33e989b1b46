"""What surrounds the GPUs: each check passes where all is well, and says what is wrong where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import made_rigs
import made_system as made
import msgspec
import pytest
import rig_cases

from provision.facts.reading import to_json
from provision.plan import CudaPlan

if TYPE_CHECKING:
    from acceptance_suite import Ran, Suite

    from provision.facts.reading import Outcome

PASS, WARN, FAIL, SKIP, ERROR = "pass", "warn", "fail", "skip", "error"
HUNG = rig_cases.HUNG
said = rig_cases.said

TWO, ONE, EIGHT = (made_rigs.MACHINES[name] for name in ("gtx1060x2", "rtx3090", "h100x8"))
VERSION = ONE.driver
LATER = "6.12.0-1-amd64"
OLDER = "6.1.0-37-amd64"
DENIED = said("denied=dmesg: read kernel buffer failed: Operation not permitted\n")


def xid(code: int, text: str = "pid=812, name=python, Ch 00000008", card: str = "01") -> str:
    return f"[  300.500000] NVRM: Xid (PCI:0000:{card}:00): {code}, {text}"


def log(*lines: str, **how: object) -> dict[str, Outcome]:
    return {"kernel_log": made.kernel_log(TWO, *lines, **how)}


def aer(severity: str, device: str) -> str:
    return (
        f"[  310.000000] pcieport {device}: PCIe Bus Error: severity={severity}, "
        "type=Transaction Layer, (Requester ID)"
    )


RECOVERY = "GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)"
OFF = "[  301.000000] NVRM: GPU 0000:01:00.0: GPU has fallen off the bus."
ADAPTER = "[   13.000000] NVRM: GPU 0000:02:00.0: RmInitAdapter failed! (0x62:0x65:1792)"
UNCORRECTED = "[  320.000000] mce: [Hardware Error]: Machine check: Uncorrected error in bank 7"
CORRECTED = "[  320.000000] EDAC MC0: 1 CE memory read error on CPU_SrcID#0_MC#0_Chan#0_DIMM#0"
SXID = (
    "[  330.000000] nvidia-nvswitch3: SXid (PCI:0000:05:00.0): 20034, Fatal, Link 30 LTSSM Fault Up"
)


def nodes(**changes: object) -> dict[str, Outcome]:
    return {"device_nodes": made.device_nodes(TWO, **changes)}


def fewer_nodes(out: str) -> dict[str, Outcome]:
    whole = made.device_nodes(TWO).out
    assert out in whole
    return {"device_nodes": said(whole.replace(out, ""))}


def libraries(**changes: object) -> dict[str, Outcome]:
    return {"driver_libraries": made.libraries(VERSION, **changes)}


def kernels(*more: str, **changes: object) -> dict[str, Outcome]:
    return {"kernel_modules": made.kernels(VERSION, *more, **changes)}


def services(**changes: object) -> dict[str, Outcome]:
    return {"services": made.services(**changes)}


def loose(**more: str) -> dict[str, Outcome]:
    names = (
        f"libcuda1={VERSION}-1 nvidia-smi={VERSION}-1 linux-modules-nvidia-580-generic={VERSION}-1"
    )
    rows = {"version": VERSION, "loaded": VERSION, "module_next": VERSION, "packages": names}
    return {"driver": rig_cases.made_driver(**{**rows, **more})}


def toolkits(text: str) -> dict[str, Outcome]:
    return {"cuda_toolkits": said(text)}


TOOLKIT = "nvcc 12.9.86 yes /usr/local/cuda-12.9\nlink=/usr/local/cuda-12.9\ndefault=yes\n"
GCC = "gcc=12\ngxx=12\ncompiler 12\n"
DAEMON, FABRIC = "nvidia-persistenced.service", "nvidia-fabricmanager.service"


def daemon(**state: str) -> dict[str, Outcome]:
    return services(persistence=made.unit(DAEMON, **state))


def environment(text: str) -> dict[str, Outcome]:
    return {"login_environment": said(f"home=/home/rigger\n{text}")}


def limits(**changes: str) -> dict[str, Outcome]:
    return {"login_limits": made.limits(**changes)}


def clock(**changes: object) -> dict[str, Outcome]:
    return {"clock": made.clock(**changes)}


Case = tuple[str, dict[str, "Outcome"], str, str, str]
"""Machine, what differs, check, status, and words of its message."""

CASES: dict[str, Case] = {
    # --- the kernel's log
    "xid_none": ("gtx1060x2", {}, "driver/xid", PASS, "none since the boot (2026-11-22 08:23 UTC)"),
    "xid_79": (
        *("gtx1060x2", log(xid(79, "GPU has fallen off the bus."), xid(79)), "driver/xid", FAIL),
        "at 0000:01:00.0, 2 times, last at 2026-11-22 08:28 UTC: the card is no longer on the bus",
    ),
    "xid_48_among_others": (
        *("gtx1060x2", log(xid(13), xid(48, card="02"), xid(45, card="02")), "driver/xid", FAIL),
        "Xid 48 of GPU 1 (NVIDIA GeForce GTX 1060 6GB) at 0000:02:00.0",
    ),
    "xid_13": ("gtx1060x2", log(xid(13)), "driver/xid", WARN, "went past the end of an array"),
    "xid_unknown": ("gtx1060x2", log(xid(999)), "driver/xid", WARN, "does not have"),
    "xid_test": ("gtx1060x2", log(xid(106)), "driver/xid", PASS, "Xid 106 of GPU 0"),
    "xid_recovered": (
        *(
            "gtx1060x2",
            log(xid(154, RECOVERY), xid(154, "GPU recovery action changed from 0x1 to 0x0 (None)")),
        ),
        *("driver/xid", PASS, "(None)"),
    ),
    "xid_recovery": (
        "gtx1060x2",
        log(xid(154, RECOVERY)),
        "driver/xid",
        FAIL,
        "0x2 (Node Reboot Required)",
    ),
    "xid_old_form": (
        *("gtx1060x2", log("[   99.000000] NVRM: Xid (0000:02:00): 62, 0096(1c54)")),
        *("driver/xid", FAIL, "Xid 62 of GPU 1"),
    ),
    "xid_of_none": (
        "gtx1060x2",
        log(xid(79, card="7f")),
        "driver/xid",
        FAIL,
        "device at 0000:7f:00",
    ),
    "log_wrapped": (
        *("gtx1060x2", log(whole=False), "driver/xid", PASS),
        "since 2026-11-22 08:38 UTC (the log no longer reaches back to the boot)",
    ),
    "log_flooded": (
        "gtx1060x2",
        log(xid(79), skipped=812),
        "driver/xid",
        FAIL,
        "812 lines were too",
    ),
    "log_denied": (
        *("gtx1060x2", {"kernel_log": DENIED}, "driver/xid", ERROR),
        "Operation not permitted): connect as root or give sudo's password",
    ),
    "log_hung": (
        "gtx1060x2",
        {"kernel_log": HUNG},
        "driver/xid",
        ERROR,
        "'kernel_log' gave no answer",
    ),
    "log_in_container": (
        *("gtx1060x2", {"kernel_log": DENIED, "virtualization": said("systemd-nspawn\n")}),
        *("driver/xid", SKIP, "is the host's, and this is a container (systemd-nspawn)"),
    ),
    "sxid": (
        "h100x8",
        {"kernel_log": made.kernel_log(EIGHT, SXID)},
        "driver/sxid",
        WARN,
        "SXid 20034 of the NVSwitch at 0000:05:00.0",
    ),
    "sxid_none": ("h100x8", {}, "driver/sxid", PASS, "none of 4 NVSwitches"),
    "sxid_nowhere": ("gtx1060x2", {}, "driver/sxid", SKIP, "no NVSwitch in this machine"),
    "complaints_none": ("gtx1060x2", {}, "driver/driver_complaints", PASS, "none since the boot"),
    "adapter": (
        *("gtx1060x2", log(ADAPTER, ADAPTER), "driver/driver_complaints", FAIL),
        "a card could not be started, 2 times",
    ),
    "fallen": ("gtx1060x2", log(OFF), "driver/driver_complaints", FAIL, "no longer on the bus"),
    "fallen_said_once": ("gtx1060x2", log(OFF, xid(79)), "driver/driver_complaints", PASS, "none"),
    "api_mismatch": (
        *(
            "gtx1060x2",
            log("[ 40.000000] NVRM: API mismatch: the client has the version 580.95.05, but"),
        ),
        *("driver/driver_complaints", WARN, "libraries of another version"),
    ),
    "probe": (
        *("gtx1060x2", log("[ 9.000000] NVRM: The NVIDIA probe routine failed for 1 device(s).")),
        *("driver/driver_complaints", FAIL, "could not take a card"),
    ),
    "complaints_denied": (
        *("gtx1060x2", {"kernel_log": DENIED}, "driver/driver_complaints", ERROR, "cannot be read"),
    ),
    "bus_none": ("gtx1060x2", {}, "hardware/bus_errors", PASS, "0 corrected"),
    "bus_card": (
        *("gtx1060x2", log(aer("Uncorrected (Non-Fatal)", "0000:01:00.0")), "hardware/bus_errors"),
        *(WARN, "nonfatal at 0000:01:00.0, GPU 0 (NVIDIA GeForce GTX 1060 6GB)"),
    ),
    "bus_port": (
        *("gtx1060x2", log(aer("Uncorrectable (Fatal)", "0000:00:02.0")), "hardware/bus_errors"),
        *(WARN, "fatal at 0000:00:02.0, the port above GPU 1"),
    ),
    "bus_corrected": (
        *("gtx1060x2", log(*[aer("Corrected", "0000:01:00.0")] * 3), "hardware/bus_errors"),
        *(PASS, "3 corrected"),
    ),
    "bus_elsewhere": (
        *(
            "gtx1060x2",
            log(aer("Uncorrected (Fatal)", "0000:05:00.0")),
            "hardware/bus_errors",
            PASS,
        ),
        "none",
    ),
    "machine_none": ("rtx3090", {}, "hardware/machine_errors", PASS, "none since the boot"),
    "machine_bad": (
        "rtx3090",
        log(UNCORRECTED),
        "hardware/machine_errors",
        WARN,
        "Uncorrected error",
    ),
    "machine_corrected": (
        "rtx3090",
        log(CORRECTED),
        "hardware/machine_errors",
        PASS,
        "1 corrected",
    ),
    "machine_vague": (
        *("rtx3090", log("[ 9.0000] mce: [Hardware Error]: Machine check events logged")),
        *("hardware/machine_errors", WARN, "events logged"),
    ),
    "machine_denied": (
        "rtx3090",
        {"kernel_log": DENIED},
        "hardware/machine_errors",
        ERROR,
        "sudo usermod -aG adm rigger",
    ),
    # --- nodes
    "nodes": ("gtx1060x2", {}, "driver/device_nodes", PASS, "5, 2 of them of GPUs"),
    "nodes_many": ("h100x8", {}, "driver/device_nodes", PASS, "11, 8 of them of GPUs"),
    "node_missing": (
        *("gtx1060x2", nodes(without="/dev/nvidia0"), "driver/device_nodes", FAIL),
        "missing: 1 of 2 of /dev/nvidia0",
    ),
    "control_missing": (
        *("gtx1060x2", nodes(without="/dev/nvidiactl"), "driver/device_nodes", FAIL),
        "missing: /dev/nvidiactl",
    ),
    "uvm_later": (
        *("gtx1060x2", nodes(without="/dev/nvidia-uvm"), "driver/device_nodes", PASS),
        "comes with its first use, by nvidia-modprobe",
    ),
    "uvm_never": (
        "gtx1060x2",
        {
            "device_nodes": said(
                made.device_nodes(TWO, without="/dev/nvidia-uvm").out.replace(
                    "helper=yes", "helper=no"
                )
            )
        },
        *("driver/device_nodes", FAIL, "missing: /dev/nvidia-uvm"),
    ),
    "node_file": (
        "gtx1060x2",
        nodes(kind="81a4"),
        "driver/device_nodes",
        FAIL,
        "no character device: /dev/nvidia0",
    ),
    "node_more": (
        *("rtx3090", {"device_nodes": made.device_nodes(TWO)}, "driver/device_nodes", WARN),
        "2 nodes of GPUs, and the driver has 1",
    ),
    "mig_lacks_nodes": (
        *("a100", {"device_nodes": said(made.device_nodes(ONE).out.replace("mig=0", "mig=2"))}),
        *("driver/device_nodes", FAIL, "/dev/nvidia-caps/*, with 2 MIG instances"),
    ),
    "nodes_hung": ("gtx1060x2", {"device_nodes": HUNG}, "driver/device_nodes", ERROR, "hung"),
    "access": ("gtx1060x2", {}, "driver/device_access", PASS, "rigger may use all 5"),
    "access_denied": (
        *("gtx1060x2", nodes(mode="660", may="no", owner="0 44"), "driver/device_access", FAIL),
        "rigger may not use /dev/nvidia0 (mode 0660, owner 0, group 44)",
    ),
    "access_by_mode": (
        *("gtx1060x2", nodes(mode="660", may="-", owner="0 44"), "driver/device_access", FAIL),
        "rigger may not use /dev/nvidia0",
    ),
    "access_by_group": (
        "gtx1060x2",
        nodes(mode="660", may="-", owner="0 27"),
        "driver/device_access",
        PASS,
        "all 5",
    ),
    "access_unknown": (
        "gtx1060x2",
        {"device_nodes": said(made.device_nodes(TWO, may="-").out.replace("uid=1000", "uid="))},
        *("driver/device_access", ERROR, "groups of the login rigger could not be read"),
    ),
    "access_without_nodes": (
        "gtx1060x2",
        {"device_nodes": said("uid=1000\n")},
        "driver/device_access",
        ERROR,
        "see driver/device_nodes",
    ),
    # --- libraries
    "libraries": ("rtx3090", {}, "driver/libraries_load", PASS, f"libcuda.so.{VERSION}"),
    "library_missing": (
        *("rtx3090", libraries(error="libcuda.so.1: cannot open shared object file", known=False)),
        *("driver/libraries_load", FAIL, "libcuda.so.1: cannot open shared object file"),
    ),
    "library_32": (
        "rtx3090",
        libraries(
            error="libcuda.so.1: cannot open",
            known=False,
            other="/usr/lib/i386-linux-gnu/libcuda.so.1",
        ),
        *("driver/libraries_load", FAIL, "(there are only 32-bit ones)"),
    ),
    "library_stub": (
        *(
            "rtx3090",
            libraries(cuda="/usr/local/cuda-12.9/lib64/stubs/libcuda.so"),
            "driver/libraries_load",
        ),
        *(FAIL, "/usr/local/cuda-12.9/lib64/stubs/libcuda.so is found first: a stub"),
    ),
    "libraries_unasked": (
        "rtx3090",
        {"driver_libraries": said("")},
        "driver/libraries_load",
        ERROR,
        "said nothing of",
    ),
    "library_version": (
        "rtx3090",
        {},
        "driver/libraries_version",
        PASS,
        f"{VERSION}, as the module",
    ),
    "library_other": (
        *(
            "rtx3090",
            libraries(cuda="/opt/old/libcuda.so.535.261.03"),
            "driver/libraries_version",
            FAIL,
        ),
        f"{VERSION} is loaded, and programs get /opt/old/libcuda.so.535.261.03",
    ),
    "library_nameless": (
        *("rtx3090", libraries(cuda="/opt/libcuda.so.1"), "driver/libraries_version", ERROR),
        "the name of the file says no version",
    ),
    "library_stub_has_no_version": (
        *("rtx3090", libraries(cuda="/usr/local/cuda/lib64/stubs/libcuda.so")),
        *("driver/libraries_version", SKIP, "see driver/libraries_load"),
    ),
    # --- kernels and nouveau
    "kernels": (
        "rtx3090",
        {},
        "driver/kernels_have_module",
        PASS,
        f"1 of 1 kernels; next is {made.KERNEL}",
    ),
    "kernel_newer": (
        *("rtx3090", kernels(f"kernel {LATER} yes "), "driver/kernels_have_module", WARN),
        f"no module for {LATER}, newer than {made.KERNEL}, which boots next",
    ),
    "kernel_older": (
        *("rtx3090", kernels(f"kernel {OLDER} yes "), "driver/kernels_have_module", PASS),
        f"none for the older {OLDER}",
    ),
    "kernels_none": (
        "rtx3090",
        {"kernel_modules": said("")},
        "driver/kernels_have_module",
        ERROR,
        "/boot has no kernel",
    ),
    "kernels_of_host": (
        *("rtx3090", {"kernel_modules": said(""), "virtualization": said("lxc\n")}),
        *("driver/kernels_have_module", SKIP, "a container (lxc)"),
    ),
    "modinfo_missing": (
        "rtx3090",
        kernels("modinfo no"),
        "driver/kernels_have_module",
        ERROR,
        "modinfo is missing",
    ),
    "nouveau_away": ("rtx3090", {}, "driver/nouveau", PASS, "denied by /etc/modprobe.d/nvidia-bl"),
    "nouveau_loaded": (
        "rtx3090",
        kernels(loaded="nouveau"),
        "driver/nouveau",
        FAIL,
        "loaded: nouveau",
    ),
    "nova_loaded": (
        "rtx3090",
        kernels(loaded="nova_core"),
        "driver/nouveau",
        FAIL,
        "loaded: nova_core",
    ),
    "nouveau_allowed": (
        *("rtx3090", kernels(denied=""), "driver/nouveau", FAIL),
        f"nothing denies nouveau, which {made.KERNEL} bring along",
    ),
    "nouveau_nowhere": (
        "rtx3090",
        kernels(denied="", nouveau="no"),
        "driver/nouveau",
        PASS,
        "no installed kernel",
    ),
    "nouveau_early": (
        *("rtx3090", {"nouveau_initramfs": said(f"image {made.KERNEL} nouveau other.conf\n")}),
        *("driver/nouveau", WARN, f"initramfs of {made.KERNEL} has nouveau, and not the rule"),
    ),
    "nouveau_early_denied": (
        "rtx3090",
        {
            "nouveau_initramfs": said(
                f"image {made.KERNEL} nouveau nvidia-blacklists-nouveau.conf\n"
            )
        },
        *("driver/nouveau", PASS, "denied by"),
    ),
    "nouveau_unseen": (
        *("rtx3090", {"nouveau_initramfs": said(f"image {made.KERNEL} no-permission\n")}),
        *("driver/nouveau", PASS, "the initramfs could not be looked into"),
    ),
    "nouveau_hung": ("rtx3090", {"kernel_modules": HUNG}, "driver/nouveau", ERROR, "hung"),
    # --- services
    "persistence": ("rtx3090", {}, "driver/persistence_daemon", PASS, "active, enabled"),
    "persistence_failed": (
        *(
            "rtx3090",
            daemon(active="failed", result="exit-code"),
            "driver/persistence_daemon",
            WARN,
        ),
        "nvidia-persistenced.service is failed (exit-code), enabled",
    ),
    "persistence_disabled": (
        "rtx3090",
        {
            **loose(
                held="libcuda1 nvidia-smi linux-modules-nvidia-580-generic", persistence="disabled"
            ),
            **daemon(enabled="disabled"),
        },
        *("driver/persistence_daemon", WARN, "does not come back after a restart"),
    ),
    "persistence_own": (
        "rtx3090",
        {
            **loose(
                held="libcuda1 nvidia-smi linux-modules-nvidia-580-generic", persistence="absent"
            ),
            **services(
                persistence=made.no_unit(DAEMON), own=made.unit("dlrig-persistence.service")
            ),
        },
        *("driver/persistence_daemon", PASS, "dlrig-persistence.service sets the mode"),
    ),
    "persistence_none": (
        "rtx3090",
        {
            **loose(
                held="libcuda1 nvidia-smi linux-modules-nvidia-580-generic", persistence="absent"
            ),
            **services(persistence=made.no_unit(DAEMON)),
        },
        *("driver/persistence_daemon", SKIP, "brings no persistence daemon"),
    ),
    "no_systemd": (
        "rtx3090",
        {"services": said("none\n")},
        "driver/persistence_daemon",
        ERROR,
        "systemd does not run there",
    ),
    "fabric": (
        "h100x8",
        {},
        "driver/fabric_manager",
        PASS,
        "active, enabled, 580.95.05, with 4 NVSwitches",
    ),
    "fabric_missing": (
        *("h100x8", services(fabric=made.no_unit(FABRIC)), "driver/fabric_manager", FAIL),
        "4 NVSwitches, and nvidia-fabricmanager.service is not installed",
    ),
    "fabric_failed": (
        *("h100x8", services(fabric=made.unit(FABRIC, active="failed", result="exit-code"))),
        *("driver/fabric_manager", FAIL, "is failed (exit-code), enabled"),
    ),
    "fabric_older": (
        *("h100x8", {"dpkg": made.packages("580.65.06")}, "driver/fabric_manager", FAIL),
        "the fabric manager is 580.65.06, the loaded driver 580.95.05",
    ),
    "fabric_unneeded": (
        "rtx3090",
        {},
        "driver/fabric_manager",
        SKIP,
        "no NVSwitch in this machine",
    ),
    "fabric_in_vain": (
        *("rtx3090", services(fabric=made.unit(FABRIC, active="failed")), "driver/fabric_manager"),
        *(WARN, "no NVSwitch in this machine, and nvidia-fabricmanager.service is failed"),
    ),
    "fabric_unasked": ("h100x8", {"services": HUNG}, "driver/fabric_manager", ERROR, "hung"),
    "upgrades": ("rtx3090", {}, "driver/automatic_upgrades", PASS, "leave 2 packages alone"),
    "upgrades_off": (
        *("rtx3090", {"automatic_upgrades": said('APT::Periodic::Unattended-Upgrade "0";\n')}),
        *("driver/automatic_upgrades", PASS, "there are none"),
    ),
    "upgrades_loose": (
        *("rtx3090", loose(held="libcuda1"), "driver/automatic_upgrades", WARN),
        "they may replace linux-modules-nvidia-580-generic",
    ),
    "upgrades_hung": (
        "rtx3090",
        {"automatic_upgrades": HUNG},
        "driver/automatic_upgrades",
        ERROR,
        "hung",
    ),
    # --- toolkits
    "toolkit_unplanned": (
        "rtx3090",
        {},
        "driver/toolkits_present",
        SKIP,
        "no CUDA toolkit is planned",
    ),
    "toolkit": (
        "rtx3090",
        toolkits(TOOLKIT + GCC),
        "driver/toolkits_present",
        PASS,
        "12.9.86 in /usr/local/cuda-12.9",
    ),
    "toolkit_missing": (
        *("rtx3090", toolkits("nvcc 12.4.131 yes /usr\n" + GCC), "driver/toolkits_present", FAIL),
        "CUDA 12.9 is missing; there is 12.4",
    ),
    "toolkit_dead": (
        *("rtx3090", toolkits("nvcc - no /usr/local/cuda-12.9\n"), "driver/toolkits_present", FAIL),
        "nvcc does not start in /usr/local/cuda-12.9",
    ),
    "toolkit_bare": (
        *(
            "rtx3090",
            toolkits(TOOLKIT.replace("yes /usr", "no /usr")),
            "driver/toolkits_present",
            FAIL,
        ),
        "has no include/cuda_runtime.h",
    ),
    "toolkit_hung": ("rtx3090", {"cuda_toolkits": HUNG}, "driver/toolkits_present", ERROR, "hung"),
    "toolkit_link": (
        "rtx3090",
        toolkits(TOOLKIT + GCC),
        "driver/toolkit_default",
        PASS,
        "/usr/local/cuda-12.9",
    ),
    "toolkit_no_link": (
        *("rtx3090", toolkits(TOOLKIT.splitlines()[0] + "\n"), "driver/toolkit_default", WARN),
        "/usr/local/cuda is missing; there is /usr/local/cuda-12.9",
    ),
    "toolkit_dangling": (
        "rtx3090",
        toolkits(
            TOOLKIT.replace(
                "link=/usr/local/cuda-12.9\ndefault=yes", "link=/usr/local/cuda-12.4\ndefault=no"
            )
        ),
        *("driver/toolkit_default", WARN, "leads to /usr/local/cuda-12.4, which has no nvcc"),
    ),
    "toolkit_compiler": (
        "rtx3090",
        toolkits(TOOLKIT + GCC),
        "driver/toolkit_compiler",
        PASS,
        "CUDA 12.9 takes g++ 12",
    ),
    "toolkit_ccbin": (
        *("rtx3090", toolkits(f"{TOOLKIT}gcc=15\ngxx=15\ncompiler 15\ncompiler 13\n")),
        *("driver/toolkit_compiler", PASS, "takes g++-13, with -ccbin g++-13"),
    ),
    "toolkit_too_new": (
        *(
            "rtx3090",
            toolkits(f"{TOOLKIT}gcc=15\ngxx=15\ncompiler 15\n"),
            "driver/toolkit_compiler",
        ),
        *(WARN, "CUDA 12.9 takes g++ up to 14, and there is 15"),
    ),
    "toolkit_no_compiler": (
        *("rtx3090", toolkits(f"{TOOLKIT}gcc=\ngxx=\n"), "driver/toolkit_compiler", WARN),
        "and there is none",
    ),
    # --- the login
    "login": ("rtx3090", {}, "driver/login_environment", PASS, "nothing that concerns 1 GPUs"),
    "login_visible": (
        *("rtx3090", environment("set /etc/environment:3 CUDA_VISIBLE_DEVICES\n")),
        *("driver/login_environment", WARN, "CUDA_VISIBLE_DEVICES in /etc/environment:3"),
    ),
    "login_stubs": (
        "rtx3090",
        environment(
            "set /home/rigger/.bashrc:120 LD_LIBRARY_PATH /usr/local/cuda/lib64/stubs:$LD_LIBRARY_PATH\n"
        ),
        *("driver/login_environment", WARN, "LD_LIBRARY_PATH (/usr/local/cuda/lib64/stubs"),
    ),
    "login_other_path": (
        *("rtx3090", environment("set /etc/profile:9 LD_LIBRARY_PATH /opt/mpi/lib\n")),
        *("driver/login_environment", PASS, "nothing"),
    ),
    "login_closed": (
        *(
            "rtx3090",
            environment("closed /home/rigger/.bashrc\n"),
            "driver/login_environment",
            PASS,
        ),
        "not readable: /home/rigger/.bashrc",
    ),
    "login_unread": (
        "rtx3090",
        {"login_environment": said("")},
        "driver/login_environment",
        ERROR,
        "could not be listed",
    ),
    "memlock": ("rtx3090", {}, "hardware/limit_memlock", PASS, "unlimited"),
    "memlock_low": (
        *(
            "rtx3090",
            limits(memlock="8388608"),
            "hardware/limit_memlock",
            WARN,
            "0.00781 of 46.8 GiB",
        ),
    ),
    "memlock_enough": (
        "rtx3090",
        limits(memlock="99999999999"),
        "hardware/limit_memlock",
        PASS,
        "93.1 of",
    ),
    "memlock_unread": (
        "rtx3090",
        {"login_limits": said("")},
        "hardware/limit_memlock",
        ERROR,
        "could be read",
    ),
    "limits_of_service": (
        *("rtx3090", limits(memlock="8388608", within="dlrig-watch.service")),
        *("hardware/limit_memlock", SKIP, "asked from within dlrig-watch.service"),
    ),
    "limits_of_sshd": (
        *(
            "rtx3090",
            limits(memlock="8388608", within="ssh.service"),
            "hardware/limit_memlock",
            WARN,
            "GiB",
        ),
    ),
    "memlock_of_container": (
        *("rtx3090", {**limits(memlock="8388608"), "virtualization": said("systemd-nspawn\n")}),
        *(
            "hardware/limit_memlock",
            SKIP,
            "the host allows this container (systemd-nspawn) no more",
        ),
    ),
    "nofile": ("rtx3090", {}, "hardware/limit_files", PASS, "1,048,576"),
    "nofile_low": ("rtx3090", limits(nofile="1024"), "hardware/limit_files", WARN, "1,024"),
    "nofile_unread": (
        "rtx3090",
        {"login_limits": said("")},
        "hardware/limit_files",
        ERROR,
        "could be read",
    ),
    # --- the clock and memory
    "clock": (
        "rtx3090",
        {},
        "hardware/clock",
        PASS,
        "synchronised by systemd-timesyncd, within 0.25 s",
    ),
    "clock_unsynchronised": (
        *("rtx3090", clock(state=5, status=64), "hardware/clock", WARN),
        "not synchronised; time services that run: systemd-timesyncd",
    ),
    "clock_alone": (
        *("rtx3090", {**clock(state=5, status=64, services=""), "virtualization": said("none\n")}),
        *("hardware/clock", WARN, "time services that run: no service that is known"),
    ),
    "clock_of_host": (
        *("rtx3090", {**clock(state=5, status=64, services=""), "virtualization": said("kvm\n")}),
        *("hardware/clock", SKIP),
        "a virtual machine without a time service of its own",
    ),
    "clock_of_container": (
        *(
            "rtx3090",
            {"virtualization": said("docker\n")},
            "hardware/clock",
            SKIP,
            "the clock is the host's",
        ),
    ),
    "clock_wrong": (
        *("rtx3090", clock(now=made.TAKEN - 3 * 3600), "hardware/clock", WARN),
        "the clock is 3 hours behind the one of whoever asked",
    ),
    "clock_ahead": (
        *(
            "rtx3090",
            clock(now=made.TAKEN + 90 * 86400),
            "hardware/clock",
            WARN,
            "90 days ahead of",
        ),
    ),
    "clock_unread": (
        "rtx3090",
        {"clock": said(f"now={made.TAKEN}\nservice chrony\n")},
        "hardware/clock",
        ERROR,
        "did not say",
    ),
    "memory": ("rtx3090", {}, "hardware/memory_for_gpus", PASS, "46.8 GiB, and 24.0 GiB on 1 GPUs"),
    "memory_small": (
        *("rtx3090", {"meminfo": made.meminfo(ONE, times=1.0)}, "hardware/memory_for_gpus", WARN),
        "23.4 GiB, and 24.0 GiB on 1 GPUs",
    ),
    "memory_unlisted": (
        *(
            "rtx3090",
            {"nvidia_smi": HUNG},
            "hardware/memory_for_gpus",
            SKIP,
            "see driver/nvidia_smi_answers",
        ),
    ),
    "memory_unread": ("rtx3090", {"meminfo": HUNG}, "hardware/memory_for_gpus", ERROR, "hung"),
    "swap_none": ("rtx3090", {}, "hardware/swap", SKIP, "no swap"),
    "swap": (
        *("rtx3090", {"meminfo": made.meminfo(ONE, swap=(8_388_608, 8_000_000))}, "hardware/swap"),
        *(PASS, "0.4 of 8.0 GiB of swap used"),
    ),
    "swap_full": (
        *("rtx3090", {"meminfo": made.meminfo(ONE, swap=(8_388_608, 100_000))}, "hardware/swap"),
        *(WARN, "7.9 of 8.0 GiB of swap used"),
    ),
    "swap_unread": ("rtx3090", {"meminfo": HUNG}, "hardware/swap", ERROR, "hung"),
}

OURS = sorted({check for _, _, check, _, _ in CASES.values()})
NO_DRIVER = {
    **{
        name: rig_cases.CHANGES["made_no_driver"][name]
        for name in ("nvidia_module", "nvidia_proc", "nvidia_smi", "driver")
    },
    "device_nodes": said("uid=1000\ngids=1000\nhelper=no\nuvm=no\nmig=0\n"),
    "driver_libraries": said(
        "library libcuda.so.1\nerror none\nlibrary libnvidia-ml.so.1\nerror none\n"
    ),
    "kernel_modules": said(f"kernel {made.KERNEL} yes \nloaded nouveau\n"),
}
WHOLE = {
    **{f"whole_{name}": (name, {}) for name in made_rigs.MACHINES},
    "without_driver": ("gtx1060x2", NO_DRIVER),
}
"""Rigs of which all checks are looked at."""


def record(suite: Suite, case: str, machine: str, changes: dict[str, Outcome]) -> list[str]:
    """The options that judge a rig against a plan; those named for toolkits with one."""
    name = f"made_{case}"
    transcript = msgspec.structs.replace(made_rigs.transcript(machine, **changes), target=name)
    wanted = ("12.9",) if case.startswith("toolkit") and case != "toolkit_unplanned" else ()
    plan = msgspec.structs.replace(rig_cases.plan(name), cuda=CudaPlan(toolkits=wanted))
    files = {"transcript": to_json(transcript), "plan": msgspec.json.encode(plan)}
    options = []
    for kind, content in files.items():
        path = suite.folder / f"{name}.{kind}.json"
        path.write_bytes(content)
        options += [f"--{kind}", str(path)]
    return options


@pytest.fixture(scope="module")
def ran(suite: Suite) -> Ran:
    """All cases in one run: each is a rig of its own."""
    rigs = {**{case: row[:2] for case, row in CASES.items()}, **WHOLE}
    options = [each for case, row in rigs.items() for each in record(suite, case, *row)]
    return suite.run(*options, "-k", " or ".join(name.partition("/")[2] for name in OURS))


@pytest.mark.parametrize("case", CASES)
def test_a_check_concludes(ran: Ran, case: str) -> None:
    _, _, check, status, message = CASES[case]
    result = ran.results(f"made_{case}")[check]
    assert (result.status, message) == (status, message if message in result.message else result)
    if status in {WARN, FAIL}:
        assert result.remedy
        assert "ADDRESS" not in result.remedy


@pytest.mark.parametrize("machine", made_rigs.MACHINES)
def test_a_healthy_machine_has_no_finding(ran: Ran, machine: str) -> None:
    results = ran.results(f"made_whole_{machine}")
    assert set(results) >= set(OURS)
    found = {check: r.message for check, r in results.items() if r.status not in {PASS, SKIP}}
    assert {check: found[check] for check in found if check in OURS} == {}


def test_without_a_driver_one_finding_is_enough(ran: Ran) -> None:
    """That is driver/driver_loaded; the rest either does not rest on a driver, or says where to look."""
    results = ran.results("made_without_driver")
    bad = {check for check in OURS if results[check].status not in {PASS, SKIP}}
    assert bad == set()
    assert "see driver/driver_loaded" in results["driver/nouveau"].message
    assert "see driver/driver_loaded" in results["driver/libraries_load"].message


def test_a_rig_without_gpu_and_an_old_recording_are_skipped(suite: Suite) -> None:
    ran = suite.run(*suite.record("healthy"))
    results = ran.results("healthy")
    reasons = {check: results[check].message for check in OURS if check != "hardware/swap"}
    assert {results[check].status for check in reasons} == {SKIP}
    assert "recorded before there was one" in reasons["hardware/clock"]
    assert "no NVIDIA GPU" in reasons["driver/device_nodes"]
    assert "no NVIDIA GPU" in reasons["driver/xid"]


def test_every_check_is_seen_passing_and_not_passing() -> None:
    for check in OURS:
        seen = {status for _, _, one, status, _ in CASES.values() if one == check}
        assert PASS in seen, check
        assert seen & {WARN, FAIL}, check


def test_a_remedy_names_the_card(ran: Ran) -> None:
    remedy = ran.results("made_xid_48_among_others")["driver/xid"].remedy
    assert "nvidia-smi --gpu-reset -i 0000:02:00.0" in remedy
