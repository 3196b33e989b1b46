"""The list of GPUs that dlrig carries, and what is concluded where it does not tell."""

from __future__ import annotations

import gzip
import json
from importlib import resources
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.catalogue.chips import load_chips
from provision.catalogue.gpus import GpuFile, GpuList, load_gpus

LISTS = Path(__file__).parents[1] / "data" / "gpus"
GPUS = load_gpus()
FILE = msgspec.json.decode(
    (resources.files("provision") / "catalog" / "gpus.json").read_bytes(), type=GpuFile
)
SUPPORTED = json.loads(gzip.decompress((LISTS / "supported-gpus-550.163.01.json.gz").read_bytes()))[
    "chips"
]
OPEN_SINCE_TURING = {"turing", "ampere", "ada", "hopper", "blackwell", "rubin"}
# Mining cards: NVIDIA's list has no open modules for them, though their chips are Turing's.
NOT_OPEN = {"1e09", "1f0b", "2189"}
# NVIDIA's list has them, and no list tells their chips.
NO_CHIP = {"0046", "014c", "017d"}

CARDS = """
0191 G80   tesla     1.0  GeForce 8800 GTX
0400 G84   tesla     1.1  GeForce 8600 GTS
05e1 GT200 tesla     1.3  GeForce GTX 280
0a20 GT216 tesla     1.2  GeForce GT 220
06c0 GF100 fermi     2.0  GeForce GTX 480
0de1 GF108 fermi     2.1  GeForce GT 430
1080 GF110 fermi     2.0  GeForce GTX 580
1180 GK104 kepler    3.0  GeForce GTX 680
1004 GK110 kepler    3.5  GeForce GTX 780
1287 GK208 kepler    3.5  GeForce GT 730
102d GK210 kepler    3.7  Tesla K80
1381 GM107 maxwell   5.0  GeForce GTX 750
13c2 GM204 maxwell   5.2  GeForce GTX 970
17c2 GM200 maxwell   5.2  GeForce GTX TITAN X
17fd GM200 maxwell   5.2  Tesla M40
15f8 GP100 pascal    6.0  Tesla P100-PCIE-16GB
1b06 GP102 pascal    6.1  GeForce GTX 1080 Ti
1b80 GP104 pascal    6.1  GeForce GTX 1080
1c02 GP106 pascal    6.1  GeForce GTX 1060 3GB
1c03 GP106 pascal    6.1  GeForce GTX 1060 6GB
1d01 GP108 pascal    6.1  GeForce GT 1030
1d81 GV100 volta     7.0  TITAN V
1db1 GV100 volta     7.0  Tesla V100-SXM2-16GB
1db4 GV100 volta     7.0  Tesla V100-PCIE-16GB
1db6 GV100 volta     7.0  Tesla V100-PCIE-32GB
1e04 TU102 turing    7.5  GeForce RTX 2080 Ti
1eb8 TU104 turing    7.5  Tesla T4
1f82 TU117 turing    7.5  GeForce GTX 1650
2184 TU116 turing    7.5  GeForce GTX 1660
20b0 GA100 ampere    8.0  A100-SXM4-40GB
20f1 GA100 ampere    8.0  A100-PCIE-40GB
2204 GA102 ampere    8.6  GeForce RTX 3090
2235 GA102 ampere    8.6  A40
2503 GA106 ampere    8.6  GeForce RTX 3060
2684 AD102 ada       8.9  GeForce RTX 4090
26b9 AD102 ada       8.9  L40S
27b8 AD104 ada       8.9  L4
2330 GH100 hopper    9.0  H100 80GB HBM3
2331 GH100 hopper    9.0  H100 PCIe
2335 GH100 hopper    9.0  H200
2342 GH100 hopper    9.0  GH200 120GB / 480GB
2348 GH100 hopper    9.0  GH200 144G HBM3e
2901 GB100 blackwell 10.0 B200
2941 GB100 blackwell 10.0 HGX GB200
29bc GB102 blackwell 10.0 B100
3182 GB110 blackwell 10.3 B300 SXM6 AC
31c2 GB110 blackwell 10.3 GB300
2b00 GB10B blackwell 11.0 Jetson AGX Thor
2b85 GB202 blackwell 12.0 GeForce RTX 5090
2c02 GB203 blackwell 12.0 GeForce RTX 5080
2e12 GB20B blackwell 12.1 GB10
3002 GR100 rubin     10.7 GR100
"""


@pytest.mark.parametrize("line", CARDS.strip().splitlines())
def test_cards_are_known(line: str) -> None:
    device, chip, architecture, capability, name = line.split(maxsplit=4)
    found = GPUS.find(device)
    assert found is not None
    assert (found.chip, found.architecture) == (chip, architecture)
    assert (found.compute_capability, found.name) == (capability, name)
    assert found.certain
    assert not found.why_uncertain


def test_older_than_cuda_is_certain_and_has_no_compute_capability() -> None:
    found = GPUS.find("0040")
    assert found is not None
    assert (found.architecture, found.compute_capability, found.capability) == (
        "pre-tesla",
        "",
        None,
    )
    assert found.certain


def test_capabilities_compare_as_numbers() -> None:
    newest, older = GPUS.find("2b85"), GPUS.find("2330")
    assert newest is not None
    assert older is not None
    assert newest.capability == (12, 0)
    assert older.capability == (9, 0)


@pytest.mark.parametrize("text", ["1c03", "0x1C03", "10de:1c03", "10DE:1C03", " 1c03\n"])
def test_a_device_id_may_be_written_in_every_usual_way(text: str) -> None:
    assert GPUS.find(text) == GPUS.find("1c03")


@pytest.mark.parametrize(
    "text", ["", "zz", "1c0", "1c030", "10de:", "-1", "1c03 1c02", "\u0661c03"]
)
def test_what_is_no_device_id_is_said_to_be_none(text: str) -> None:
    assert GPUS.find(text) is None
    assert "not a PCI device id" in GPUS.guess(text).why_uncertain


def test_a_board_has_its_own_name() -> None:
    plain, a2 = GPUS.find("25b6"), GPUS.find("25b6", "10DE:157E")
    assert plain is not None
    assert a2 is not None
    assert (plain.name, a2.name) == ("A2 / A16", "A2")
    assert GPUS.find("25b6", "ffff:ffff") == plain


def test_a_chip_without_a_published_compute_capability_says_so() -> None:
    found = GPUS.find("3340")
    assert found is not None
    assert (found.architecture, found.compute_capability, found.certain) == ("blackwell", "", False)
    assert found.why_uncertain == "no compute capability is known for the chip GB120"


def test_a_listed_gpu_whose_chip_no_list_tells_is_taken_from_its_neighbours() -> None:
    found = GPUS.find("0046")
    assert found is not None
    assert (found.name, found.chip, found.legacy_branch) == ("GeForce 6800 GT", "NV40", "304.xx")
    assert not found.certain
    assert "10de:0045 and 10de:0047" in found.why_uncertain


# Guesses


@given(st.integers(0, 0xFFFF))
def test_every_device_id_has_an_answer(number: int) -> None:
    device = f"{number:04x}"
    answer = GPUS.guess(device)
    assert answer.device == device
    assert answer.certain == (not answer.why_uncertain)
    assert answer.certain <= (device in GPUS.gpus)
    assert not answer.certain or (answer.chip and answer.architecture)
    assert not answer.compute_capability or answer.architecture
    chip = GPUS.chips.find(answer.chip)
    assert not answer.chip or (chip and chip.architecture == answer.architecture)


@given(st.text())
def test_no_text_makes_it_fail(text: str) -> None:
    assert GPUS.guess(text)
    GPUS.by_name(text)


def test_between_ids_of_one_chip_it_is_that_chip() -> None:
    guess = GPUS.guess("2b8d")
    assert (guess.chip, guess.architecture, guess.compute_capability) == (
        "GB202",
        "blackwell",
        "12.0",
    )
    assert not guess.certain
    assert "10de:2b8c and 10de:2bb1" in guess.why_uncertain


def test_between_two_chips_only_what_they_share_is_told() -> None:
    guess = GPUS.guess("2d7f")  # GB206 below, GB207 above
    assert (guess.chip, guess.architecture, guess.compute_capability) == ("", "blackwell", "12.0")


def test_one_neighbour_is_enough_only_within_a_block() -> None:
    within, across = GPUS.guess("2f70"), GPUS.guess("33ff")  # after 2f58; before 3400
    assert (within.chip, within.certain) == ("GB205", False)
    assert (across.chip, across.architecture) == ("", "")


def test_between_two_architectures_nothing_is_told() -> None:
    guess = GPUS.guess("28ff")
    assert (guess.chip, guess.architecture) == ("", "")
    assert guess.why_uncertain.endswith("nor do the ids next to it")


@pytest.mark.parametrize("device", ["3401", "4000", "ffff"])
def test_beyond_the_newest_it_may_be_newer(device: str) -> None:
    guess = GPUS.guess(device)
    assert (guess.chip, guess.architecture, guess.certain) == ("", "", False)
    assert "may be a newer GPU" in guess.why_uncertain


def test_an_empty_list_knows_nothing() -> None:
    nothing = GpuList(GpuFile(about="", sources=(), gpus=(), boards=()), load_chips())
    assert nothing.find("1c03") is None
    assert not nothing.guess("1c03").architecture
    assert nothing.by_name("GTX 1060") == ()
    assert nothing.near("GTX 1060") == ()


def test_guesses_are_right_for_every_listed_gpu_as_if_it_were_not_listed() -> None:
    """From 0x1180 on; most of the ids get an answer, and it is right for all of these."""
    told = []
    for device in (row.device for row in FILE.gpus if row.chip and row.device >= "1180"):
        rest = tuple(row for row in FILE.gpus if row.device != device)
        file = msgspec.structs.replace(FILE, gpus=rest)
        guess, truth = GpuList(file, GPUS.chips).guess(device), GPUS.guess(device)
        assert guess.architecture in {truth.architecture, ""}, device
        assert guess.chip in {truth.chip, ""}, device
        assert guess.compute_capability in {truth.compute_capability, ""}, device
        told.append(bool(guess.architecture))
    assert sum(told) / len(told) > 0.95


# Names


@pytest.mark.parametrize(
    "text", ["RTX 4090", "rtx-4090", "RTX4090", " geforce  rtx_4090 ", "NVIDIA GeForce RTX 4090"]
)
def test_a_name_may_be_written_in_every_usual_way(text: str) -> None:
    found = GPUS.by_name(text)
    assert found[0].device == "2684"
    assert {gpu.architecture for gpu in found} == {"ada"}


def test_a_name_without_its_memory_finds_all_of_them() -> None:
    found = GPUS.by_name("GTX 1060")
    assert {"1c02", "1c03"} <= {gpu.device for gpu in found}
    assert {gpu.architecture for gpu in found} == {"pascal"}
    assert len({gpu.device for gpu in found}) == len(found)


@pytest.mark.parametrize(
    ("text", "devices"),
    [("L4", {"27b8"}), ("K80", {"102d"}), ("L40S", {"26b9"}), ("geforce 4090 d", {"2685"})],
)
def test_words_are_whole(text: str, devices: set[str]) -> None:
    assert {gpu.device for gpu in GPUS.by_name(text)} == devices


def test_exact_names_come_first() -> None:
    assert [gpu.name for gpu in GPUS.by_name("H100")][:3] == ["H100", "H100", "H100 CNX"]


def test_a_board_is_found_by_its_own_name() -> None:
    assert [(gpu.device, gpu.name) for gpu in GPUS.by_name("A16")] == [("25b6", "A16")]


@pytest.mark.parametrize("text", ["", "  ", "---", "GTX 9999", "Radeon RX 7900"])
def test_no_such_name(text: str) -> None:
    assert GPUS.by_name(text) == ()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("GTX 1061", "GeForce GTX 1060"),
        ("Telsa K80", "Tesla K80"),
        ("geforec rtx 4090", "GeForce RTX 4090"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(text: str, meant: str) -> None:
    assert meant in GPUS.near(text)


def test_nonsense_is_near_nothing() -> None:
    assert GPUS.near("xxxxxxxxxxxxxxxxxxxx") == ()


# The files


def test_rows_are_sorted_and_unique() -> None:
    devices = [row.device for row in FILE.gpus]
    assert devices == sorted(set(devices))
    boards = [(row.device, one) for row in FILE.boards for one in row.subsystems]
    assert len(boards) == len(set(boards))
    assert {device for device, _ in boards} <= set(devices)


def test_every_entry_of_nvidias_list_is_there_under_its_name() -> None:
    for entry in SUPPORTED:
        board = f"{entry.get('subvendorid', '')[2:]}:{entry.get('subdevid', '')[2:]}"
        found = GPUS.find(entry["devid"], board)
        assert found is not None, entry
        assert found.name == entry["name"].removeprefix("NVIDIA "), entry
        assert found.legacy_branch == entry.get("legacybranch", ""), entry
        assert found.open == ("kernelopen" in entry["features"]), entry


def test_the_open_modules_drive_turing_and_newer() -> None:
    other = {
        row.device
        for row in FILE.gpus
        if row.open is not None
        and row.open != (GPUS.guess(row.device).architecture in OPEN_SINCE_TURING)
    }
    assert other == NOT_OPEN


def test_every_chip_has_an_architecture() -> None:
    assert {row.device for row in FILE.gpus if not GPUS.chips.find(row.chip)} == NO_CHIP
    assert all(GPUS.guess(row.device).architecture for row in FILE.gpus)


def test_only_these_chips_lack_a_confirmed_compute_capability() -> None:
    doubted = {row.chip for row in FILE.gpus if row.chip and not GPUS.guess(row.device).certain}
    assert doubted == {"GB112", "GB120"}


def test_the_longest_beginning_of_a_chip_wins() -> None:
    capabilities = {
        chip: found.compute_capability
        for chip in ("GP106", "GP100", "GP10B", "GB100", "GB10B", "GB20B", "GB205", "GB999")
        if (found := GPUS.chips.find(chip))
    }
    assert capabilities == {
        "GP106": "6.1",
        "GP100": "6.0",
        "GP10B": "6.2",
        "GB100": "10.0",
        "GB10B": "11.0",
        "GB20B": "12.1",
        "GB205": "12.0",
        "GB999": "",
    }
    assert GPUS.chips.find("XY100") is GPUS.chips.find("") is None
