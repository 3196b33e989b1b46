"""Which figures become the CPU's, one GPU's and all GPUs' speed, and what is said of them."""

from __future__ import annotations

import msgspec
import pytest
from acceptances import HOSTILE, hostile, sample
from training_acceptances import (
    CPU,
    GPU,
    limit,
    note,
    of_two_cards,
    run,
    scaling,
    together,
    trained,
)

from provision.report.figures import is_course, is_disturbed
from provision.report.speeds import trainings, where
from provision.report.training_view import views
from provision.results import Figure, Status


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("cifar-10 images, 1 gpu (NVIDIA X), reference mode", (1, "NVIDIA X")),
        (
            "1 cpu (Intel(R) Core(TM) i3-6100 CPU @ 3.70GHz)",
            (0, "Intel(R) Core(TM) i3-6100 CPU @ 3.70GHz"),
        ),
        ("synthetic images; 2 all (X, Y); limit mode", (2, "X, Y")),
        ("16 cpu (Z), disturbed: other programs (tar) took 20 %", (0, "Z")),
        ("cpu, reference mode", None),
        ("2 gpu", None),
        ("99999 gpu (X)", None),
        ("", None),
    ],
)
def test_where_a_figure_was_taken(said: str, found: tuple[int, str] | None) -> None:
    assert where(said) == found


def test_cpu_one_gpu_and_all_are_one_training() -> None:
    (found,) = trainings(of_two_cards())
    assert (found.workload, found.framework) == ("training/cifar10", "TensorFlow")
    assert (found.mode, found.unit) == ("reference mode, float32", "examples/s")
    assert [(one.device, one.hardware) for one in found.speeds] == [
        ("CPU", CPU),
        ("1 GPU", GPU),
        ("2 GPUs", GPU),
    ]
    assert [one.limit_name for one in found.speeds] == [
        "CPU compute",
        "input pipeline",
        "input pipeline",
    ]
    one, every = found.speeds[1], found.speeds[2]
    assert found.compared(one) == "18.6 times the CPU"
    assert found.compared(every) == f"{every.figure.median / one.figure.median:.3g} times one GPU"
    assert found.efficiency(one) is None
    assert found.efficiency(every) == pytest.approx(1.45 / 2)
    assert found.scaling
    assert found.scaling.serial == pytest.approx(2 / 1.45 - 1)


def test_without_the_scaling_check_the_efficiency_is_the_speed_up_by_the_number() -> None:
    (found,) = trainings(trained(run(100, note(1, "gpu")), run(300, note(4, "gpu"))))
    assert found.efficiency(found.speeds[1]) == pytest.approx(0.75, rel=0.01)
    assert found.scaling is None


def test_all_against_the_cpu_where_one_gpu_is_missing() -> None:
    (found,) = trainings(trained(run(100, note(1, "cpu")), run(400, note(4, "gpu"))))
    assert found.compared(found.speeds[1]) == "4 times the CPU"
    assert found.efficiency(found.speeds[1]) is None


def test_frameworks_modes_and_units_are_not_mixed() -> None:
    found = trainings(
        trained(
            run(100, note(1, "cpu")),
            run(200, note(1, "cpu", framework="torch"), check="training/cifar10_smoke[torch]"),
            run(300, note(1, "cpu").replace("reference", "limit").replace("float32", "bfloat16")),
            run(9, note(1, "cpu"), check="training/phase_smoke[tensorflow]"),
        )
    )
    assert [(one.workload, one.framework, one.mode) for one in found] == [
        ("training/cifar10", "TensorFlow", "limit mode, bfloat16"),
        ("training/cifar10", "PyTorch", "reference mode, float32"),
        ("training/cifar10", "TensorFlow", "reference mode, float32"),
        ("training/phase", "TensorFlow", "reference mode, float32"),
    ]


def test_the_training_on_most_devices_stands_first() -> None:
    found = trainings(
        trained(
            run(9000, note(1, "gpu", framework="jax"), check="training/cifar10_smoke[jax]"),
            *of_two_cards().results,
        )
    )
    assert [one.framework for one in found] == ["TensorFlow", "JAX"]


def test_of_two_runs_the_one_that_nothing_disturbed_stands() -> None:
    more = ", disturbed: the host stole 9 % of the processors"
    runs = (run(500, note(1, "cpu", more=more)), run(300, note(1, "cpu")), run(200, note(1, "cpu")))
    for order in (runs, runs[::-1]):
        (found,) = trainings(trained(*order))
        assert found.best.figure.median == pytest.approx(300, rel=0.01)
        assert not found.best.disturbed
    (only,) = trainings(trained(runs[0]))
    assert only.best.disturbed


def test_a_limit_that_was_not_found_is_not_said() -> None:
    unfound = msgspec.structs.replace(limit("on the CPU: no training"), status=Status.ERROR)
    (found,) = trainings(trained(run(100, note(1, "cpu")), unfound))
    assert found.speeds[0].limit == ""


@pytest.mark.parametrize(
    ("falls", "drift"), [(0.0, 0.0), (0.4, -0.33)]
)  # 40 % over the whole run is 33 % from the first quarter's middle to the last's
def test_drift_holds_the_last_quarter_against_the_first(falls: float, drift: float) -> None:
    (found,) = trainings(trained(run(100, note(1, "cpu"), falls=falls, steps=600)))
    assert found.best.drift == pytest.approx(drift, abs=0.03)


def test_drift_needs_eight_windows() -> None:
    (few,) = trainings(trained(run(100, note(1, "cpu"), steps=80)))
    (enough,) = trainings(trained(run(100, note(1, "cpu"), steps=90)))
    assert few.best.drift is None
    assert enough.best.drift is not None


def test_machines_together_are_held_against_each_alone() -> None:
    (found,) = trainings(together())
    assert found.machines
    assert [(one.device, one.hardware) for one in found.speeds] == [
        ("machine 1", "ada@one"),
        ("machine 2", "ada@two"),
        ("together", ""),
    ]
    assert found.compared(found.speeds[2]) == "1.7 times one machine"
    assert found.efficiency(found.speeds[2]) == pytest.approx(0.85)
    assert found.compared(found.speeds[0]) == ""
    (view,) = views(together())
    assert view.published == ()
    assert "18 % of a step does not get faster with more machines" in view.scaling


def test_what_says_its_device_otherwise_is_left_to_the_table() -> None:
    assert trainings(sample("cpu_accepted")) == ()
    assert trainings(hostile()) == ()


def test_hostile_names_stay_in_their_fields() -> None:
    said = f"cifar-10 images, 1 gpu ({HOSTILE}), reference mode, float32, batch 128"
    (found,) = trainings(trained(run(100, said, check=f"training/cifar10_smoke[{HOSTILE}]")))
    assert found.speeds[0].device == "1 GPU"
    assert found.framework == HOSTILE


def test_a_figure_without_a_number_is_no_speed() -> None:
    figure = Figure(
        name="throughput", unit="examples/s", samples=(float("nan"),), note=note(1, "cpu")
    )
    broken = msgspec.structs.replace(run(1, note(1, "cpu")), figures=(figure,))
    assert trainings(trained(broken)) == ()
    zero = msgspec.structs.replace(
        run(1, note(1, "cpu")),
        figures=(msgspec.structs.replace(figure, samples=(0.0, 0.0)),),
    )
    (found,) = trainings(trained(zero, run(5, note(1, "gpu"))))
    assert found.compared(found.speeds[1]) == ""


@pytest.mark.parametrize(
    ("said", "is_so"),
    [
        ("2 cpu (X), disturbed: other programs took 23 %", True),
        ("the machine was not steady: 200 → 100 GFLOP/s", True),
        ("undisturbed", False),
        ("not disturbed", False),
        ("", False),
    ],
)
def test_disturbed_is_read_from_the_note(said: str, *, is_so: bool) -> None:
    assert is_disturbed(said) is is_so


@pytest.mark.parametrize(
    ("name", "is_so"),
    [
        ("loss", True),
        ("cpu_utilisation", True),
        ("gpu12_power", True),
        ("throughput", False),
        ("temperature_gpu0", False),
        ("gpu0_powers", False),
    ],
)
def test_courses_are_drawn_and_not_compared(name: str, *, is_so: bool) -> None:
    assert is_course(name) is is_so


def test_amdahls_law_in_words() -> None:
    (view,) = views(
        trained(run(100, note(1, "gpu")), run(145, note(2, "gpu")), scaling(1.45, 2, "tensorflow"))
    )
    assert "38 % of a step" in view.scaling
    assert "more than 2.64 times as fast" in view.scaling
    (whole,) = views(
        trained(run(100, note(1, "gpu")), run(200, note(2, "gpu")), scaling(2, 2, "tensorflow"))
    )
    assert whole.scaling.endswith("0 % of a step does not get faster with more GPUs.")
