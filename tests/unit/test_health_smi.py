"""``nvidia-smi -q -x`` in the layouts of several releases, in its many words for nothing, broken, and hostile."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provision.facts.health import smi, smi_document
from provision.facts.health.smi_card import Errors, Power, Process
from provision.facts.reading import Outcome, Transcript

if TYPE_CHECKING:
    from pathlib import Path

    from provision.facts.health.smi import Smi
    from provision.facts.health.smi_card import Card

HEAD = '<?xml version="1.0" ?>\n<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v13.dtd">\n'
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)


def document(*cards: str) -> str:
    gpus = "".join(
        f'<gpu id="00000000:0{n}:00.0">{card}</gpu>\n' for n, card in enumerate(cards, 1)
    )
    return (
        f"{HEAD}<nvidia_smi_log>\n<driver_version>580.95.05</driver_version>"
        f"<cuda_version>13.0</cuda_version><attached_gpus>{len(cards)}</attached_gpus>\n{gpus}</nvidia_smi_log>\n"
    )


def read(out: str, *, code: int | None = 0, err: str = "", hung: bool = False) -> Smi:
    outcome = Outcome(exit_code=code, out=out, err=err, hung=hung)
    return smi.parse(Transcript(target="rig", taken="", outcomes={"smi_query": outcome}))


def card(text: str) -> Card:
    found = read(document(text))
    assert found.trouble == ""
    return found.cards[0]


# --- the document ----------------------------------------------------------------------------------------------------


def test_cards_come_in_order_with_the_kernels_addresses() -> None:
    found = read(
        document("<uuid>GPU-a</uuid>", "<pci><pci_bus_id>00000001:4B:00.0</pci_bus_id></pci>")
    )
    assert [(one.index, one.address) for one in found.cards] == [
        (0, "0000:01:00.0"),
        (1, "0001:4b:00.0"),
    ]
    assert (found.driver, found.cuda, found.attached) == ("580.95.05", "13.0", 2)
    assert found.at("0001:4b:00.0") is found.cards[1]
    assert found.at("0000:ff:00.0") is None


def test_lines_beside_the_document_are_kept() -> None:
    found = read(
        "Unable to determine the device handle for GPU1: 0000:34:00.0: Unknown Error\n"
        + document("<uuid>GPU-a</uuid>")
        + "WARNING: infoROM is corrupted at gpu 0000:01:00.0\n",
        code=14,
        err="a word on the side\n",
    )
    assert len(found.cards) == 1
    assert [line.partition(" ")[0] for line in found.warnings] == ["Unable", "WARNING:", "a"]


@pytest.mark.parametrize(
    ("out", "code", "hung", "installed", "trouble"),
    [
        ("", 127, False, False, "exit 127"),
        ("", None, True, True, "hung"),
        ("", 9, False, True, "exit 9: no driver"),
        ("", 0, False, True, "no whole XML document"),
        (document(), 0, False, True, "lists no card"),
        (document("<uuid>GPU-a</uuid>")[:-20], 0, False, True, "no whole XML document"),
        ("<nvidia_smi_log><a></b></nvidia_smi_log>", 0, False, True, "no whole XML document"),
    ],
)
def test_no_answer_has_a_reason(
    out: str,
    code: int | None,
    hung: bool,  # noqa: FBT001 - a row of the table
    installed: bool,  # noqa: FBT001 - a row of the table
    trouble: str,
) -> None:
    found = read(out, code=code, hung=hung, err="no driver\n" if code == 9 else "")
    assert (found.installed, found.cards) == (installed, ())
    assert trouble in found.trouble


def test_a_transcript_without_the_reading_says_so() -> None:
    assert (
        smi.parse(Transcript(target="rig", taken="", outcomes={})).trouble == "exit None: not read"
    )


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word",
    [
        "N/A",
        "[N/A]",
        "Not Supported",
        "[Not Supported]",
        "",
        "Not Available",
        "Insufficient Permissions",
        "Requested functionality has been deprecated",
        "Unknown Error",
        "GPU is lost",
        "ERR!",
    ],
)
def test_words_for_nothing_are_no_value(word: str) -> None:
    found = card(
        f"<product_name>{word}</product_name><compute_mode>{word}</compute_mode>"
        f"<persistence_mode>{word}</persistence_mode><ecc_mode><current_ecc>{word}</current_ecc></ecc_mode>"
        f"<temperature><gpu_temp>{word}</gpu_temp></temperature>"
        f"<pci><replay_counter>{word}</replay_counter></pci>"
    )
    assert (found.name, found.compute_mode, found.persistence) == ("", "", None)
    assert (found.ecc.current, found.temperature.now, found.link.replays) == (None, None, None)
    lost = word in {"Unknown Error", "GPU is lost", "ERR!"}
    assert set(found.troubles.values()) == ({word} if lost else set())


def test_what_the_card_did_not_answer_is_kept_by_field() -> None:
    found = card("<fan_speed>[Unknown Error]</fan_speed><uuid>GPU is lost</uuid>")
    assert found.troubles == {"fan_speed": "Unknown Error", "uuid": "GPU is lost"}


@pytest.mark.parametrize(
    ("text", "number"),
    [("41 C", 41), ("-2 C", -2), ("27.22 W", 27.22), ("warm", None), ("1e9 C", None)],
)
def test_units_are_taken_off(text: str, number: float | None) -> None:
    assert card(f"<temperature><gpu_temp>{text}</gpu_temp></temperature>").temperature.now == number


# --- layouts of releases ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layout", "draw"),
    [
        (
            (
                "<power_readings><power_draw>9.5 W</power_draw><power_limit>120.00 W</power_limit>"
                "<enforced_power_limit>100.00 W</enforced_power_limit>"
                "<default_power_limit>120.00 W</default_power_limit></power_readings>"
            ),
            9.5,
        ),
        (
            (
                "<gpu_power_readings><power_draw>9.5 W</power_draw><current_power_limit>100.00 W</current_power_limit>"
                "<requested_power_limit>100.00 W</requested_power_limit>"
                "<default_power_limit>120.00 W</default_power_limit></gpu_power_readings>"
                "<module_power_readings><power_draw>N/A</power_draw></module_power_readings>"
            ),
            9.5,
        ),
        (
            (
                "<gpu_power_readings><average_power_draw>9.5 W</average_power_draw>"
                "<instant_power_draw>N/A</instant_power_draw><current_power_limit>100.00 W</current_power_limit>"
                "<default_power_limit>120.00 W</default_power_limit></gpu_power_readings>"
            ),
            9.5,
        ),
    ],
    ids=["470", "535", "575"],
)
def test_power(layout: str, draw: float) -> None:
    assert card(layout).power == Power(draw=draw, limit=100.0, default=120.0)


@pytest.mark.parametrize("word", ["throttle", "event"])
def test_reasons(word: str) -> None:
    tags = {"gpu_idle": "Not Active", "hw_slowdown": "Active", "sw_power_cap": "N/A"}
    inner = "".join(
        f"<clocks_{word}_reason_{k}>{v}</clocks_{word}_reason_{k}>" for k, v in tags.items()
    )
    assert card(f"<clocks_{word}_reasons>{inner}</clocks_{word}_reasons>").reasons == (
        "hw_slowdown",
    )


def test_time_spent_throttled_is_in_seconds() -> None:
    tag = "clocks_event_reasons_counters"
    inner = f"<{tag}_hw_therm_slowdown>91403239 us</{tag}_hw_therm_slowdown>"
    assert card(f"<{tag}>{inner}</{tag}>").throttled == {"hw_therm_slowdown": 91.403239}


@pytest.mark.parametrize(
    ("layout", "errors"),
    [
        (
            (
                "<single_bit><device_memory>5</device_memory><total>7</total></single_bit>"
                "<double_bit><device_memory>1</device_memory><register_file>2</register_file>"
                "<l2_cache>3</l2_cache><cbu>N/A</cbu><total>6</total></double_bit>"
            ),
            Errors(corrected=7, uncorrected=6, sram=5, dram=1),
        ),
        (
            (
                "<sram_correctable>1</sram_correctable><sram_uncorrectable>2</sram_uncorrectable>"
                "<dram_correctable>3</dram_correctable><dram_uncorrectable>4</dram_uncorrectable>"
            ),
            Errors(corrected=4, uncorrected=6, sram=2, dram=4),
        ),
        (
            (
                "<sram_correctable>1</sram_correctable><sram_uncorrectable_parity>2</sram_uncorrectable_parity>"
                "<sram_uncorrectable_secded>3</sram_uncorrectable_secded><dram_correctable>0</dram_correctable>"
                "<dram_uncorrectable>4</dram_uncorrectable>"
            ),
            Errors(corrected=1, uncorrected=9, sram=5, dram=4),
        ),
        (
            "<sram_correctable>N/A</sram_correctable><dram_uncorrectable>N/A</dram_uncorrectable>",
            Errors(),
        ),
    ],
    ids=["by bits", "by memory", "by check", "not counted"],
)
def test_ecc_errors(layout: str, errors: Errors) -> None:
    found = card(
        f"<ecc_errors><volatile>{layout}</volatile><aggregate>{layout}</aggregate></ecc_errors>"
    )
    assert (found.ecc.volatile, found.ecc.aggregate) == (errors, errors)


def test_heat_is_stated_as_degrees_or_as_margins() -> None:
    before = card(
        "<temperature><gpu_temp>40 C</gpu_temp><gpu_temp_tlimit>N/A</gpu_temp_tlimit>"
        "<gpu_temp_slow_threshold>93 C</gpu_temp_slow_threshold></temperature>"
    )
    hopper = card(
        "<temperature><gpu_temp>41 C</gpu_temp><gpu_temp_tlimit>46 C</gpu_temp_tlimit>"
        "<gpu_temp_slow_tlimit_threshold>-2 C</gpu_temp_slow_tlimit_threshold></temperature>"
    )
    assert (before.temperature.headroom, hopper.temperature.headroom) == (53.0, 48.0)
    assert card("<temperature><gpu_temp>41 C</gpu_temp></temperature>").temperature.headroom is None


@pytest.mark.parametrize(
    ("layout", "asked"),
    [
        ("<gpu_recovery_action>None</gpu_recovery_action>", ""),
        ("<gpu_recovery_action>Drain and Reset</gpu_recovery_action>", "Drain and Reset"),
        ("<gpu_reset_status><reset_required>Yes</reset_required></gpu_reset_status>", "Reset"),
        ("<gpu_reset_status><reset_required>No</reset_required></gpu_reset_status>", ""),
        ("", ""),
    ],
)
def test_recovery(layout: str, asked: str) -> None:
    assert card(layout).recovery == asked


def test_rows_pages_and_repairs() -> None:
    found = card(
        "<remapped_rows><remapped_row_corr>1</remapped_row_corr><remapped_row_unc>2</remapped_row_unc>"
        "<remapped_row_pending>Yes</remapped_row_pending><remapped_row_failure>No</remapped_row_failure>"
        "<row_remapper_histogram><row_remapper_histogram_none>3 bank(s)</row_remapper_histogram_none>"
        "</row_remapper_histogram></remapped_rows>"
        "<retired_pages><double_bit_retirement><retired_count>4</retired_count></double_bit_retirement>"
        "<pending_blacklist>Yes</pending_blacklist></retired_pages>"
        "<ecc_errors><tpc_repair_pending>Yes</tpc_repair_pending></ecc_errors>"
    )
    rows, pages = found.rows, found.pages
    assert (rows.corrected, rows.uncorrected, rows.pending, rows.failure, rows.exhausted) == (
        1,
        2,
        True,
        False,
        3,
    )
    assert (pages.single, pages.double, pages.pending) == (None, 4, True)
    assert (found.ecc.repair_pending, found.ecc.unrepairable) == (True, None)
    assert card("<remapped_rows>N/A</remapped_rows>").rows.failure is None


def test_link_and_its_width() -> None:
    link = card(
        "<pci><pci_gpu_link_info><pcie_gen><max_link_gen>4</max_link_gen><current_link_gen>1</current_link_gen>"
        "<max_device_link_gen>5</max_device_link_gen><max_host_link_gen>4</max_host_link_gen></pcie_gen>"
        "<link_widths><max_link_width>16x</max_link_width><current_link_width>8x</current_link_width></link_widths>"
        "</pci_gpu_link_info><replay_counter>3</replay_counter></pci>"
    ).link
    assert (link.generation, link.max_generation, link.card_generation, link.host_generation) == (
        1,
        4,
        5,
        4,
    )
    assert (link.width, link.max_width, link.replays) == (8, 16, 3)


def test_processes_have_no_arguments() -> None:
    found = card(
        "<processes><process_info><pid>7</pid><type>C</type><process_name>/bin/x --token=s3cret</process_name>"
        "<used_memory>958 MiB</used_memory></process_info>"
        "<process_info><pid>8</pid><type>G</type><process_name></process_name></process_info>"
        "<process_info><pid>none</pid></process_info></processes>"
    )
    assert found.processes == (
        Process(pid=7, name="/bin/x", kind="C", memory=958),
        Process(pid=8, kind="G"),
    )
    assert [one.computes for one in found.processes] == [True, False]


def test_fabric_tells_what_is_not_well() -> None:
    found = card(
        "<fabric><state>Completed</state><status>Success</status><health><summary>Unhealthy</summary>"
        "<bandwidth>Degraded</bandwidth><route_unhealthy>False</route_unhealthy>"
        "<access_timeout_recovery>N/A</access_timeout_recovery></health></fabric>"
    ).fabric
    assert (found.state, found.status) == ("Completed", "Success")
    assert found.health == {"summary": "Unhealthy", "bandwidth": "Degraded"}


def test_mig_devices_are_counted() -> None:
    found = card(
        "<mig_mode><current_mig>Enabled</current_mig><pending_mig>Disabled</pending_mig></mig_mode>"
        "<mig_devices><mig_device><index>0</index></mig_device><mig_device/></mig_devices>"
    )
    assert (found.mig, found.mig_pending, found.mig_devices) == (True, False, 2)
    assert card("<mig_devices>\n\t\tNone\n</mig_devices>").mig_devices == 0


# --- hostile ---------------------------------------------------------------------------------------------------------

BOMB = (
    '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]><nvidia_smi_log><gpu><uuid>&j;</uuid></gpu></nvidia_smi_log>"
)


def test_no_entity_is_expanded_and_none_is_fetched() -> None:
    for text in (
        BOMB,
        BOMB.replace("<nvidia_smi_log>", "<nvidia_smi_log><nvidia_smi_log>", 1),
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><nvidia_smi_log><gpu>&e;</gpu></nvidia_smi_log>',
        '<nvidia_smi_log><!DOCTYPE x [<!ENTITY e "x">]><gpu>&e;</gpu></nvidia_smi_log>',
    ):
        assert "no whole XML document" in read(text).trouble


def test_a_huge_and_a_deep_answer_are_read_in_time() -> None:
    start = time.monotonic()
    wide = read(document("<x>y</x>" * 400_000))
    deep = read(document("<x>" * 200_000 + "</x>" * 200_000))
    assert (len(wide.cards), len(deep.cards)) == (1, 1)
    assert time.monotonic() - start < 20


@QUICK
@given(st.text(max_size=400), st.integers(0, 255), st.booleans())
def test_any_text_is_read_without_an_exception(text: str, code: int, hung: bool) -> None:  # noqa: FBT001
    read(text, code=code, hung=hung, err=text)
    read(f"<nvidia_smi_log>{text}</nvidia_smi_log>", code=code)


TAGS = st.sampled_from(
    [
        "gpu",
        "pci",
        "ecc_errors",
        "volatile",
        "double_bit",
        "total",
        "temperature",
        "gpu_temp",
        "processes",
        "process_info",
        "pid",
        "clocks_event_reasons",
        "remapped_rows",
        "fabric",
        "health",
        "mig_devices",
    ]
)
WORDS = st.one_of(
    st.sampled_from(
        [
            "N/A",
            "[N/A]",
            "9" * 40,
            "-1",
            "Yes",
            "²",
            "١٢",
            "None",
            "GPU is lost",
            "0x",
            "x",
            "1 2 3",
        ]
    ),
    st.text(
        alphabet=st.characters(exclude_characters="<>&", exclude_categories=["Cs", "Cc"]),
        max_size=20,
    ),
)
TREES = st.recursive(
    st.builds(lambda tag, word: f"<{tag}>{word}</{tag}>", TAGS, WORDS),
    lambda inner: st.builds(
        lambda tag, parts: f"<{tag}>{''.join(parts)}</{tag}>", TAGS, st.lists(inner, max_size=4)
    ),
    max_leaves=20,
)


@QUICK
@given(st.lists(TREES, max_size=6))
def test_any_tree_of_known_tags_is_read_without_an_exception(trees: list[str]) -> None:
    found = read(document("".join(trees), "<uuid>GPU-b</uuid>"))
    # XML has no place for some of the characters; the rest is two cards, whatever lies in them.
    assert len(found.cards) in {0, 2}


@QUICK
@given(st.integers(0, 2000), st.sampled_from(["", "\x00", "<", "&", "]]>", "<!--", "\ufffe"]))
def test_a_document_cut_anywhere_is_read_without_an_exception(at: int, instead: str) -> None:
    text = document(
        "<uuid>GPU-a</uuid><pci><pci_bus_id>00000000:01:00.0</pci_bus_id></pci>"
        "<temperature><gpu_temp>41 C</gpu_temp></temperature><remapped_rows>N/A</remapped_rows>"
    )
    read(text[:at] + instead)
    read(text[:at] + instead + text[at:])


def test_a_document_beside_others_is_found() -> None:
    found = smi_document.read("noise <nvidia_smi_log/> " + document("<uuid>GPU-a</uuid>"))
    # From the first root to the last end: that is no document, and said to be none.
    assert found.root is None or found.root.parts("gpu")


# --- on the rig ------------------------------------------------------------------------------------------------------


def run(tmp_path: Path, program: str, *, limit: str = "") -> subprocess.CompletedProcess[str]:
    """The reading's command with a program that stands in for nvidia-smi."""
    fake = tmp_path / "nvidia-smi"
    fake.write_text(f"#!/bin/sh\n{program}\n")
    fake.chmod(0o755)
    with (tmp_path / "out").open("w") as out:
        done = subprocess.run(
            ["timeout", "-k", "1", "20", "sh", "-c", f"{limit}{smi.READINGS[0].command}"],
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=30,
        )
    done.stdout = (tmp_path / "out").read_text(errors="replace")
    return done


@pytest.mark.subprocess
def test_secrets_serials_and_lists_of_clocks_stay_on_the_rig(tmp_path: Path) -> None:
    clocks = "<supported_clocks>\n<value>8001 MHz</value>\n</supported_clocks>"
    name = "<process_name>/bin/x --token=s3cret\n--more=s3cret</process_name>"
    process = f"<process_info>\n<pid>7</pid>\n{name}\n</process_info>"
    one = (
        f"\n<serial>1650522003820</serial>\n{clocks}\n<uuid>GPU-a</uuid>\n<processes>\n{process}\n</processes>\n"
        "<supported_clocks>N/A</supported_clocks>\n<accounted_processes>\n<pid>1</pid>\n</accounted_processes>\n"
        "<accounted_processes></accounted_processes>\n<vbios_version>96</vbios_version>\n"
    )
    (tmp_path / "answer").write_text(document(one, one))
    done = run(tmp_path, f"cat {tmp_path}/answer")
    assert done.returncode == 0
    for gone in ("s3cret", "1650522003820", "8001", "accounted"):
        assert gone not in done.stdout
    found = read(done.stdout)
    assert [one.vbios for one in found.cards] == ["96", "96"]
    assert found.cards[1].processes == (Process(pid=7, name="/bin/x"),)


@pytest.mark.subprocess
@pytest.mark.parametrize("code", [0, 9, 15])
def test_the_exit_code_is_nvidia_smis(tmp_path: Path, code: int) -> None:
    done = run(tmp_path, f"echo said; echo complained >&2; exit {code}")
    assert (done.returncode, done.stdout, done.stderr) == (code, "said\n", "complained\n")


@pytest.mark.subprocess
def test_without_nvidia_smi_the_code_is_127(tmp_path: Path) -> None:
    done = run(tmp_path, "exec nvidia-smi-is-not-there")
    assert done.returncode == 127


@pytest.mark.subprocess
def test_a_flood_ends_at_the_limit_on_output(tmp_path: Path) -> None:
    done = run(tmp_path, "exec yes '<gpu>lies</gpu>'", limit="ulimit -f 2048; ")
    assert done.returncode not in {0, 124}
    assert len(done.stdout) <= 2048 * 1024
    assert read(done.stdout, code=done.returncode).cards == ()
