from __future__ import annotations

import html
import html.parser
import itertools
import re

import msgspec
import pytest
from acceptances import HOSTILE, hostile, result, sample, with_results
from training_acceptances import limit, note, of_two_cards, run, together, trained

from provision.bundle import bundled
from provision.report.html import render
from provision.report.text import clean
from provision.results import Acceptance, Figure, Status, Verdict

_VOID = {"meta", "br", "link", "img", "input", "hr"}


class _Page(html.parser.HTMLParser):
    """What a browser would make of it: elements, their attributes, and the text of each kind."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


@pytest.fixture(scope="module", params=["cpu_accepted", "gpu_rejected"])
def acceptance(request: pytest.FixtureRequest) -> Acceptance:
    return sample(request.param)


@pytest.fixture(scope="module")
def page(acceptance: Acceptance) -> _Page:
    return _Page(render(acceptance))


def test_it_needs_nothing_else(page: _Page) -> None:
    fetching = {"script", "link", "img", "iframe", "object", "embed", "video", "base", "form"}
    assert not fetching & {tag for tag, _ in page.elements}
    for _, attributes in page.elements:
        assert not {"src", "srcset", "data", "action"} & attributes.keys()
        assert (attributes.get("href") or "#").startswith("#")
        assert not any(name.startswith("on") for name in attributes)


def test_the_style_fetches_nothing(acceptance: Acceptance) -> None:
    style = "".join(re.findall(r"<style>(.*?)</style>", render(acceptance), re.DOTALL))
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style
    assert not re.search(r"url\(|@import|@font-face", style)


def test_every_check_is_there_with_all_it_says(acceptance: Acceptance, page: _Page) -> None:
    for each in acceptance.results:
        for text in (each.question, each.message, each.expected, each.source):
            assert " ".join(text.split()) in page.words
        if each.status not in {Status.PASS, Status.SKIP}:
            assert each.remedy in page.words
        for line in each.log:
            assert line in page.text


def test_a_status_is_a_word_not_a_colour(acceptance: Acceptance, page: _Page) -> None:
    words = {"pass": "passed", "warn": "warning", "fail": "failed", "skip": "not applicable"}
    words["error"] = "could not measure"
    for status in Status:
        count = sum(each.status is status for each in acceptance.results)
        rows = [a for a in page.all("li") if a.get("class") == f"check tone-{status.value}"]
        assert len(rows) == count
        assert page.words.count(words[status.value]) >= count


def test_the_rig_the_plan_and_what_is_installed(acceptance: Acceptance, page: _Page) -> None:
    assert acceptance.verdict.value.capitalize() in page.words
    assert acceptance.facts["system"]["name"] in page.words
    assert acceptance.facts["processor"]["model"] in page.words
    for decision in acceptance.plan["reasons"]:
        assert decision["choice"] in page.words
        assert decision["reason"] in page.words
        assert decision["source"] in page.words
    assert "Packages and pins" in page.words
    for planned in acceptance.plan["environments"].values():
        assert ", ".join(planned["pins"]) in page.words
    for action in acceptance.plan["actions"]:
        assert f"{action['present']} → {action['wanted']}" in page.words
    for environment in acceptance.facts["environments"]["present"].values():
        for name, version in environment["installed"].items():
            assert f"{name} {version}" in page.words


def test_headings_do_not_skip_a_level(page: _Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_ids_are_unique_and_links_lead_somewhere(page: _Page) -> None:
    ids = [a["id"] for _, a in page.elements if a.get("id")]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        for name in ("href", "aria-labelledby"):
            if attributes.get(name):
                assert (attributes[name] or "").lstrip("#") in ids


def test_plots_are_drawings_with_words(acceptance: Acceptance, page: _Page) -> None:
    series = [f for r in acceptance.results for f in r.figures if f.name in {"throughput", "loss"}]
    assert len(page.all("svg")) == len(series)
    labels = [a["aria-label"] or "" for a in page.all("div") if a.get("role") == "img"]
    assert len(labels) == len(series)
    assert all("median" in label or "from " in label for label in labels)


def test_tables_have_captions_or_heads(page: _Page) -> None:
    assert page.words.count("As it was on") == 1
    scopes = [attributes.get("scope") for attributes in page.all("th")]
    assert set(scopes) == {"row", "col"}


def test_synthetic_is_said_beside_every_figure() -> None:
    page = _Page(render(sample("cpu_accepted")))
    marks = [a for a in page.all("strong") if a.get("class") == "synthetic"]
    # The headline, the banner, two plots, two figures in the table, and the check itself.
    assert len(marks) == 7
    assert "must not be compared with published ones" in page.words


def test_real_data_are_not_called_synthetic() -> None:
    assert "synthetic" not in _Page(render(sample("gpu_rejected"))).words.lower()


@pytest.fixture(scope="module")
def trains() -> str:
    """CPU, one GPU and two, the last disturbed."""
    return render(of_two_cards(more=", disturbed: other programs took 23 % of the processors"))


def _spaced(text: str) -> str:
    """The words of a page with a blank between neighbouring cells."""
    style = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", style)).split())


def test_one_look_says_how_fast_and_why_not_faster(trains: str) -> None:
    head = _spaced(trains[trains.index("<header") : trains.index("</header>")])
    assert "CPU 330 examples/s ±0.88 % Limit CPU compute" in head
    assert "1 GPU 6141 examples/s ±0.93 %, 18.6 times the CPU Limit input pipeline" in head
    assert "2 GPUs 7947 examples/s Disturbed ±19 %, 1.29 times one GPU, 72 % of linear" in head


def test_the_overview_is_a_drawing_with_words_and_a_table(trains: str) -> None:
    page = _Page(trains)
    labels = [a["aria-label"] or "" for a in page.all("div") if a.get("role") == "img"]
    assert len(labels) == len(page.all("svg")) == 1 + 3 * 3
    assert labels[0].startswith("Throughput by device, median of CPU 330 examples/s (±0.88 %")
    for words in (
        "What limits 2 GPUs Input pipeline: alone it makes 8,020 examples/s",
        "Serial share by Amdahl's law: 38 % of a step",
        "CPU 2017 reference rig, Core i3 6100 274.5 to 283",
        "GTX 1060 6GB 6168 to 10,065",
        "Tesla K20m 213 to 366",
        "the reference rig's published training log",
        "Device Quantity Median Least Most",
    ):
        assert words in _spaced(trains)
    assert "another form of it" not in page.words


def test_disturbed_figures_are_told_as_such(trains: str) -> None:
    page = _Page(trains)
    marks = [a for a in page.all("strong") if a.get("class") == "synthetic disturbed"]
    # The headline, the banner, the table of speeds, three plots, the table of all figures, and the check.
    assert len(marks) == 8
    assert "measure again while nothing else runs" in page.words
    assert "Disturbed" not in _Page(render(of_two_cards())).words


def test_courses_are_drawn_and_left_out_of_the_table(trains: str) -> None:
    table = trains[trains.index('<table class="figures">') :]
    table = table[: table.index("</table>")]
    assert "throughput" in table
    assert "speed_up" in table
    assert not re.search(r"loss|_utilisation|gpu\d_", table)


def test_machines_that_train_together_are_compared() -> None:
    words = _spaced(render(together()))
    assert "Each machine against all" in words
    assert "together 170" in words
    assert "1.7 times one machine 85 %" in words
    assert "machine 2 ada@two 100" in words


def test_what_was_never_read_is_no_chapter() -> None:
    """A run of several machines has neither one rig's facts nor a plan."""
    bare = msgspec.structs.replace(together(), facts={}, plan={})
    words = _spaced(render(bare))
    assert "another version" not in words
    assert "The rig" not in words
    assert "The plan it was held against" not in words


def test_ids_of_a_page_with_many_plots_are_unique(trains: str) -> None:
    for text in (trains, render(trained(run(1, note(1, "cpu")), run(2, note(1, "cpu"))))):
        ids = re.findall(r'\bid="([^"]*)"', text)
        assert len(ids) == len(set(ids))


def test_hostile_names_of_devices_stay_words() -> None:
    said = f"cifar-10 images, 1 gpu ({HOSTILE}), reference mode, float32, batch 128"
    check = f"training/cifar10_smoke[{HOSTILE}]"
    hostile_limit = limit(f"on one GPU: {HOSTILE}: {HOSTILE}", HOSTILE)
    cpu = run(10, note(1, "cpu").replace("tensorflow 2.20.0", ""), check=check)
    text = render(trained(run(100, said, check=check, cards=1), cpu, hostile_limit))
    page = _Page(text)
    assert page.all("script") == []
    assert clean(HOSTILE) in page.text
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        assert "alert" not in drawing
        assert "bold red" not in drawing
    assert len(page.all("svg")) == 1 + 3 + 3


def test_the_page_stays_small() -> None:
    """Eight cards for a minute, and 64 in another run, are no more than a photograph."""
    runs = [run(100.0 * cards, note(cards, "gpu"), steps=1990, cards=cards) for cards in (8, 64)]
    assert all(len(f.samples) <= 200 for each in runs for f in each.figures)
    assert len(render(trained(*runs)).encode()) < 900_000


def test_a_hostile_rig_changes_nothing_but_words() -> None:
    text = render(hostile())
    page = _Page(text)
    assert page.all("script") == []
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert clean(HOSTILE) in page.text
    assert "owned" not in page.text
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        assert "alert" not in drawing


def test_facts_and_plan_of_another_version_do_not_stop_it() -> None:
    older = msgspec.structs.replace(sample("cpu_accepted"), facts={"was": 1}, plan={"was": 1})
    words = _Page(render(older)).words
    assert words.count("recorded by another version") == 2
    assert "329.4 examples/s" in words


@pytest.mark.parametrize(
    ("results", "verdict"),
    [((), Verdict.INCOMPLETE), ((result(Status.WARN),), Verdict.WARNINGS)],
)
def test_few_checks(results: tuple[object, ...], verdict: Verdict) -> None:
    base = msgspec.structs.replace(sample("cpu_accepted"), facts={}, plan={})
    page = _Page(render(with_results(base, *results)))  # type: ignore[arg-type]
    assert verdict.value.capitalize() in page.words
    assert ("No check was run" in page.words) is not bool(results)


def test_part_of_the_checks_is_said() -> None:
    part = msgspec.structs.replace(sample("cpu_accepted"), scope="quick and not training")
    assert "Only a part of the checks was run: quick and not training" in _Page(render(part)).words


def test_what_was_done_is_told_from_what_would_be() -> None:
    rig = sample("gpu_rejected")
    assert "What the plan would change" in _Page(render(rig)).words
    tasks = ("driver: install the packages", "environments: make tensorflow_gpu")
    words = _Page(render(msgspec.structs.replace(rig, changed=tasks))).words
    assert "What was changed right before these checks" in words
    assert "2 tasks changed something before the checks" in words
    assert all(task in words for task in tasks)


def test_odd_figures_are_drawn_or_left_out() -> None:
    odd = [
        (float("nan"),),
        (),
        (5.0,),
        (0.0, 0.0),
        (3.0, 3.0, 3.0),
        (-1.0, 1.0),
        tuple(map(float, range(1000))),
    ]
    figures = tuple(
        Figure(name=name, unit="", samples=samples)
        for samples in odd
        for name in ("throughput", "loss")
    )
    page = _Page(render(with_results(sample("cpu_accepted"), result(Status.PASS, figures=figures))))
    assert len(page.all("svg")) == 8


@pytest.mark.parametrize("samples", [(1e308, 1e308), (-1e308, 1e308), (1e17, 5e-324, 0.0)])
def test_absurd_figures_do_not_stop_the_page(samples: tuple[float, ...]) -> None:
    kinds = (
        ("throughput", "step", note(1, "cpu")),
        ("throughput", "step", note(2, "gpu")),
        ("loss", "step", ""),
        ("gpu0_power", "s", ""),
    )
    figures = tuple(
        Figure(name=name, unit="W", samples=samples, at=samples, at_unit=unit, note=said)
        for name, unit, said in kinds
    )
    page = _Page(render(trained(result(Status.PASS, "training/x_y[z]", figures=figures))))
    assert len(page.all("svg")) == (0 if max(samples) > 1e18 else 5)


def test_a_long_log_keeps_its_end() -> None:
    log = tuple(f"line {number}" for number in range(3000))
    page = _Page(render(with_results(sample("cpu_accepted"), result(Status.FAIL, log=log))))
    assert "Log, 3000 lines, the last 400" in page.words
    assert "line 2999" in page.words
    assert "line 2599 " not in page.words


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_colour_of_text_can_be_read() -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5 to 1, in light, in dark and on paper."""
    style = (bundled("templates") / "report.css").read_text()
    palettes = [
        {n: c if len(c) > 4 else "#" + "".join(2 * x for x in c[1:]) for n, c in found}
        for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)
        for found in [re.findall(r"--(\w+): (#[0-9a-f]{6}|#[0-9a-f]{3})\b", block)]
    ]
    assert len(palettes) == 3
    text = ("ink", "muted", "link", "mark", "pass", "warn", "fail", "skip", "error")
    for palette in palettes:
        for name in text:
            for ground in ("ground", "paper"):
                pair = sorted((_luminance(palette[name]), _luminance(palette[ground])))
                contrast = (pair[1] + 0.05) / (pair[0] + 0.05)
                assert contrast >= 4.5, f"{name} on {ground}: {contrast:.2f}"
