"""Rebuild ``provision/catalog/gpus.json`` from NVIDIA's list of GPUs and from pci.ids.

    python tools/build_gpus.py --supported-gpus supported-gpus-550.163.01.json --supported-date 2025-04-08 \
        --pci-ids /usr/share/misc/pci.ids

The driver carries NVIDIA's list (Debian: ``/usr/share/doc/nvidia-driver/supported-gpus.json.gz``); Debian's
package ``pci.ids`` has the other. Both may be packed with gzip. Names and driver branches come from NVIDIA,
chips from pci.ids. The report on standard output tells the chips that neither list tells, and where the
lists disagree.
"""  # noqa: INP001 - a script, in no package

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import zlib
from collections import defaultdict
from pathlib import Path

import msgspec

from provision import decode
from provision.catalogue.chips import ChipList, load_chips
from provision.catalogue.gpus import Boards, Gpu, GpuFile, Source

OUTPUT = Path(__file__).parents[1] / "provision" / "catalog" / "gpus.json"
ABOUT = (
    "NVIDIA's GPUs; made by tools/build_gpus.py, which see. gpus: device id, chip, name, legacy driver branch, "
    "open kernel modules (null: NVIDIA's list does not know). boards: device id, name, subsystems."
)
CHIP = r"(?:NV[0-9A-F]{1,2}|MCP[78][0-9A-F]|C[5-7][0-9]|G[789][0-9]|G[A-Z][0-9]{2}[0-9A-Fx]|TU[0-9]{3}|AD[0-9]{3})"
# A GPU is listed as 'GP106BM / GN20 [GeForce GTX 1060 Mobile 6GB]'; what follows a chip's name without brackets,
# or follows the brackets, is another function of it ('GP106 High Definition Audio Controller').
GPU = re.compile(
    rf"(?P<chip>{CHIP})[A-Zb]*(?:/{CHIP})?(?: (?:/ )?[A-Z]+[0-9][\w-]*| Engineering Sample)?(?: \[(?P<name>.+)\])?"
)
NOT_A_GPU = re.compile(r"NVSwitch|Audio|USB|UCSI|Controller|Bridge", re.IGNORECASE)
NO_NAME = re.compile(r"(?:Reserved|Initial) Dev ID")
HEX = re.compile(r"0x[0-9A-F]{4}", re.IGNORECASE)
OPEN_SINCE = ("turing", "ampere", "ada", "hopper", "blackwell", "rubin")
# The branches that each architecture was moved to; none where the list's own driver still drives it.
LEGACY = {
    "pre-tesla": {"71.86.xx", "96.43.xx", "173.14.xx", "304.xx"},
    "tesla": {"340.xx"},
    "fermi": {"390.xx"},
    "kepler": {"470.xx", "367.xx"},
}


class InputError(Exception):
    """An input file is not what it should be."""


class Entry(msgspec.Struct, frozen=True):
    """An entry of NVIDIA's list; without a subsystem it stands for all boards with this device id."""

    devid: str
    name: str
    features: tuple[str, ...]
    legacybranch: str = ""
    subdevid: str = ""
    subvendorid: str = ""

    @property
    def subsystem(self) -> str:
        """``1028:0baf``, or empty."""
        return f"{self.subvendorid[2:]}:{self.subdevid[2:]}".lower() if self.subdevid else ""

    @property
    def plain_name(self) -> str:
        """The name without the maker."""
        return self.name.removeprefix("NVIDIA ").strip()


class SupportedGpus(msgspec.Struct, frozen=True):
    """NVIDIA's list."""

    chips: tuple[Entry, ...]


def read(path: Path) -> bytes:
    """A file, unpacked where it ends in ``.gz``.

    Raises:
        InputError: it cannot be read.
    """
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def read_supported(path: Path) -> dict[str, list[Entry]]:
    """NVIDIA's list: device id → its entries.

    Raises:
        InputError: the file cannot be read or is not such a list.
    """
    try:
        entries = decode.json(read(path), SupportedGpus).chips
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: not NVIDIA's list of GPUs: {error}") from error
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        ids = [entry.devid, *(one for one in (entry.subdevid, entry.subvendorid) if one)]
        if not all(HEX.fullmatch(one) for one in ids):
            raise InputError(f"{path}: {entry.name!r} has an id that is none: {', '.join(ids)}")
        found[entry.devid[2:].lower()].append(entry)
    return found


def read_pci_ids(path: Path) -> tuple[str, dict[str, str]]:
    """Date of pci.ids, and NVIDIA's devices: id → name.

    Raises:
        InputError: the file cannot be read, has no date, no NVIDIA, or a broken line there.
    """
    try:
        text = read(path).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not pci.ids: {error}") from error
    date = re.search(r"^#\s+Date:\s+(\d{4}-\d{2}-\d{2})", text, re.MULTILINE)
    if date is None:
        raise InputError(f"{path}: not pci.ids: no line '# Date: YYYY-MM-DD'")
    devices = {}
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith("\t"):
            inside = line.startswith("10de ")
        elif inside and not line.startswith("\t\t"):
            row = re.fullmatch(r"\t([0-9a-f]{4})  (.+)", line)
            if row is None:
                raise InputError(f"{path}:{number}: not a device: {line.strip()!r}")
            devices[row[1]] = row[2].strip()
    if not devices:
        raise InputError(f"{path}: no devices of vendor 10de")
    return date[1], devices


def gpu(device: str, entries: list[Entry], pci_name: str) -> Gpu | None:
    """The row of a device, or None where it is not a GPU, or none that anything is known of."""
    parsed = None if NOT_A_GPU.search(pci_name) else GPU.fullmatch(pci_name)
    chip = parsed["chip"] if parsed else ""
    if not entries:
        if parsed is None:
            return None
        name = (parsed["name"] or "").removeprefix("NVIDIA ")
        name = chip if not name or NO_NAME.match(name) else name
        return Gpu(device=device, chip=chip, name=name, legacy_branch="", open=None)
    if not chip and (inside := re.search(rf"\b{CHIP}\b", pci_name)):
        chip = inside[0]
    return Gpu(
        device=device,
        chip=chip,
        name=common_name(entries, parsed["name"] if parsed else None),
        legacy_branch=entries[0].legacybranch,
        open="kernelopen" in entries[0].features,
    )


def common_name(entries: list[Entry], pci_name: str | None) -> str:
    """NVIDIA's name for all boards or the only one there is, else the one of pci.ids."""
    for entry in entries:
        if not entry.subsystem:
            return entry.plain_name
    names = sorted({entry.plain_name for entry in entries})
    return names[0] if len(names) == 1 else pci_name or " / ".join(names)


def boards(row: Gpu, entries: list[Entry]) -> list[Boards]:
    """The boards that have another name than their device."""
    by_name: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        if entry.subsystem and entry.plain_name != row.name:
            by_name[entry.plain_name].add(entry.subsystem)
    return [
        Boards(device=row.device, name=name, subsystems=tuple(sorted(subsystems)))
        for name, subsystems in sorted(by_name.items())
    ]


def disagreements(rows: list[Gpu], chips: ChipList) -> list[str]:
    """Where NVIDIA's list and the architecture contradict each other, or the chip is in no list."""
    found = []
    for row in rows:
        chip = chips.find(row.chip)
        where = f"{row.device} {row.name} ({row.chip or 'chip unknown'})"
        if chip is None:
            found.append(f"{where}: no architecture")
            continue
        if row.open is None:
            continue
        if row.open != (chip.architecture in OPEN_SINCE):
            found.append(f"{where}: {chip.architecture}, open modules: {row.open}")
        if row.legacy_branch not in LEGACY.get(chip.architecture, {""}):
            found.append(f"{where}: {chip.architecture}, legacy branch {row.legacy_branch!r}")
    return found


def compose(file: GpuFile) -> str:
    """The JSON text, a row per line, so that a change shows as the lines that changed."""
    parts = [f'"about": {json.dumps(file.about)}']
    for key in ("sources", "gpus", "boards"):
        rows = (
            json.dumps(msgspec.to_builtins(row), ensure_ascii=False) for row in getattr(file, key)
        )
        parts.append(f'"{key}": [\n' + ",\n".join(rows) + "\n]")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def sources(arguments: argparse.Namespace, date: str) -> tuple[Source, ...]:
    """What the file was made from."""
    version = re.search(r"\d+\.\d+(?:\.\d+)?", arguments.supported_gpus.name)
    return (
        Source(
            name="NVIDIA supported-gpus.json",
            version=version[0] if version else "",
            date=arguments.supported_date,
            confidence="high",
            licence="Zlib",
        ),
        Source(
            name="pci.ids",
            version=date.replace("-", "."),
            date=date,
            confidence="medium",
            licence="BSD-3-Clause (or GPL-2.0-or-later)",
        ),
    )


def build(arguments: argparse.Namespace) -> list[str]:
    """Write the file; returns the report.

    Raises:
        InputError: an input is unusable, or the output cannot be written.
    """
    supported = read_supported(arguments.supported_gpus)
    date, names = read_pci_ids(arguments.pci_ids)
    devices = sorted(supported.keys() | names.keys())
    found = (gpu(one, supported.get(one, []), names.get(one, "")) for one in devices)
    rows = [row for row in found if row]
    file = GpuFile(
        about=ABOUT,
        sources=sources(arguments, date),
        gpus=tuple(rows),
        boards=tuple(board for row in rows for board in boards(row, supported.get(row.device, []))),
    )
    try:
        arguments.output.write_text(compose(file), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{arguments.output}: {error.strerror}") from error
    return [
        f"{arguments.output}: {len(rows)} GPUs, {len(file.boards)} names of boards",
        *disagreements(rows, load_chips()),
    ]


def main(argv: list[str] | None = None) -> int:
    """Run the program; returns its exit code: 2 for bad input."""
    parser = argparse.ArgumentParser(description="Rebuild the list of GPUs.")
    parser.add_argument("--supported-gpus", type=Path, required=True, help="NVIDIA's list")
    parser.add_argument("--supported-date", default="", help="its date, YYYY-MM-DD")
    parser.add_argument("--pci-ids", type=Path, required=True, help="pci.ids")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the file to write")
    try:
        report = build(parser.parse_args(argv))
    except InputError as error:
        sys.stderr.write(f"build_gpus: {error}\n")
        return 2
    sys.stdout.write("\n".join(report) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
