"""``tools/build_gpus.py``: the lists that it joins, and what it says of broken ones."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LISTS = ROOT / "tests" / "data" / "gpus"
SUPPORTED, PCI_IDS = LISTS / "small-supported-1.2.3.json", LISTS / "small-pci.ids"

_spec = importlib.util.spec_from_file_location("build_gpus", ROOT / "tools" / "build_gpus.py")
assert _spec is not None
assert _spec.loader is not None
tool = sys.modules.setdefault("build_gpus", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(tool)


def build(output: Path, supported: Path = SUPPORTED, pci_ids: Path = PCI_IDS) -> int:
    inputs = ["--supported-gpus", str(supported), "--pci-ids", str(pci_ids)]
    code: int = tool.main([*inputs, "--supported-date", "2025-04-08", "--output", str(output)])
    return code


def test_the_file_that_dlrig_carries_is_what_the_lists_give(tmp_path: Path) -> None:
    made = tmp_path / "gpus.json"
    assert build(made, LISTS / "supported-gpus-550.163.01.json.gz", LISTS / "pci.ids.gz") == 0
    assert made.read_bytes() == (ROOT / "provision" / "catalog" / "gpus.json").read_bytes()


def test_small_lists_are_joined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tmp_path / "gpus.json"
    assert build(made) == 0
    read = json.loads(made.read_text())
    assert read["gpus"] == [
        ["0046", "", "GeForce 6800 GT", "304.xx", False],  # in NVIDIA's list alone
        ["1180", "GK104", "GeForce GTX 680", "", False],  # a legacy branch is missing
        ["1c03", "GP106", "GeForce GTX 1060 6GB", "", False],  # NVIDIA's name before pci.ids'
        ["1e09", "TU102", "CMP 50HX", "", False],  # Turing without open modules
        ["25b6", "GA107", "A2 / A16", "", True],  # boards only, of two names
        ["2901", "GB100", "B200", "", None],  # in pci.ids alone
        ["2924", "GB100", "GB100", "", None],  # without a name
        ["2940", "GB100", "GB100", "", None],  # reserved
        ["2c18", "GB203", "GeForce RTX 5090 Max-Q / Mobile", "", None],
    ]
    assert read["boards"] == [
        ["25b6", "A16", ["10de:14a9"]],
        ["25b6", "A2", ["10de:157e", "1458:157e"]],
    ]
    assert [(one["version"], one["date"]) for one in read["sources"]] == [
        ("1.2.3", "2025-04-08"),
        ("2026.10.24", "2026-10-24"),
    ]
    assert capsys.readouterr().out.splitlines() == [
        f"{made}: 9 GPUs, 2 names of boards",
        "0046 GeForce 6800 GT (chip unknown): no architecture",
        "1180 GeForce GTX 680 (GK104): kepler, legacy branch ''",
        "1e09 CMP 50HX (TU102): turing, open modules: False",
    ]


def test_a_row_stands_on_a_line(tmp_path: Path) -> None:
    made = tmp_path / "gpus.json"
    build(made)
    assert '["2901", "GB100", "B200", "", null],' in made.read_text().splitlines()


@pytest.mark.parametrize(
    "name",
    [
        "GP106 High Definition Audio Controller",
        "GM107 High Definition Audio Controller [GeForce 940MX]",
        "TU104 USB 3.1 Host Controller",
        "TU104 USB Type-C UCSI Controller",
        "GH100 [H100 NVSwitch]",
        "GA102 [HDMI Audio]",
        "TU104 [USB 3.1]",
        "GB20B PCI bridge",
        "GB10 GEN5 X4 PCIe host",
        "MCP78S [GeForce 8200] Memory Controller",
        "C51 Host Bridge",
        "nForce2 SMBus (MCP)",
        "CK804 Ethernet Controller",
        "Orin PCIe x8 Root Complex",
        "",
    ],
)
def test_what_is_no_gpu_is_left_out(name: str) -> None:
    assert tool.gpu("1234", [], name) is None


@pytest.mark.parametrize(
    ("name", "chip", "shown"),
    [
        ("GP106BM [GeForce GTX 1060 Mobile 6GB]", "GP106", "GeForce GTX 1060 Mobile 6GB"),
        ("GK110BGL [Tesla K40m]", "GK110", "Tesla K40m"),
        ("GT200b [GeForce GTX 275]", "GT200", "GeForce GTX 275"),
        ("G96CM [GeForce 9600M GT]", "G96", "GeForce 9600M GT"),
        ("G70/G71 [GeForce 7800 GS AGP]", "G70", "GeForce 7800 GS AGP"),
        ("AD103M / GN21-X11 [GeForce RTX 4090 Laptop GPU]", "AD103", "GeForce RTX 4090 Laptop GPU"),
        ("GB10B [Jetson AGX Thor]", "GB10B", "Jetson AGX Thor"),
        ("GV100 Engineering Sample", "GV100", "GV100"),
        ("GA104 [Initial Dev ID B]", "GA104", "GA104"),
        ("MCP89 [GeForce 320M]", "MCP89", "GeForce 320M"),
        ("NV44A [GeForce 6200]", "NV44", "GeForce 6200"),
    ],
)
def test_chip_and_name_are_read_from_pci_ids(name: str, chip: str, shown: str) -> None:
    row = tool.gpu("1234", [], name)
    assert (row.chip, row.name, row.open) == (chip, shown, None)


GOOD = PCI_IDS.read_bytes()
ENTRY = '{"chips": [{"devid": "%s", "name": "x", "features": []}]}'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not NVIDIA's list of GPUs"),
        (b"{", "not NVIDIA's list of GPUs"),
        (b"[]", "not NVIDIA's list of GPUs"),
        (b'{"chips": [{"devid": "0x1c03"}]}', "missing required field"),
        (b'{"chips": [{"devid": 7, "name": "x", "features": []}]}', "Expected `str`"),
        ((ENTRY % "1c03").encode(), "'x' has an id that is none: 1c03"),
        ((ENTRY % "0x1c0g").encode(), "'x' has an id that is none: 0x1c0g"),
        (b"\xff\xfe", "not NVIDIA's list of GPUs"),
    ],
)
def test_a_broken_list_of_nvidia_is_named(
    content: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "supported.json"
    bad.write_bytes(content)
    assert build(tmp_path / "gpus.json", supported=bad) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"build_gpus: {bad}: ")
    assert message in error
    assert not (tmp_path / "gpus.json").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not pci.ids: no line '# Date: YYYY-MM-DD'"),
        (GOOD.replace(b"2026-10-24 ", b"yesterday "), "not pci.ids: no line"),
        (GOOD.replace(b"10de  ", b"1002  "), "no devices of vendor 10de"),
        (GOOD.replace(b"\t1c03  ", b"\t1c0x  "), "not a device: '1c0x  GP106"),
        (GOOD.replace(b"\t1c03  ", b"\t1c03 "), "not a device"),
        (GOOD + b"\xff", "not pci.ids"),
    ],
)
def test_a_broken_pci_ids_is_named(
    content: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "pci.ids"
    bad.write_bytes(content)
    assert build(tmp_path / "gpus.json", pci_ids=bad) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"build_gpus: {bad}:")
    assert message in error


@pytest.mark.parametrize("content", [b"", b"plain", b"\x1f\x8b\x08\x00\x00"])
def test_a_broken_packed_file_is_named(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "pci.ids.gz"
    bad.write_bytes(content)
    assert build(tmp_path / "gpus.json", pci_ids=bad) == 2
    assert f"build_gpus: {bad}: " in capsys.readouterr().err


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "none.json"
    assert build(tmp_path / "gpus.json", supported=missing) == 2
    assert capsys.readouterr().err == f"build_gpus: {missing}: No such file or directory\n"


def test_an_output_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(tmp_path / "no" / "gpus.json") == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_without_its_inputs_it_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        tool.main([])
    assert "--pci-ids" in capsys.readouterr().err
