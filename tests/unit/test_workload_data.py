"""The CIFAR-10 workload's images: every form it reads, and every way a file can be wrong."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import pickle
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

# By path, as it is no part of a package: it is sent to rigs on standard input.
SOURCE = Path(__file__).parents[2] / "checks" / "workloads" / "cifar10_tensorflow.py"
_spec = importlib.util.spec_from_file_location("cifar10_tensorflow", SOURCE)
assert _spec is not None
assert _spec.loader is not None
workload = sys.modules.setdefault("cifar10_tensorflow", importlib.util.module_from_spec(_spec))
if not hasattr(workload, "main"):
    _spec.loader.exec_module(workload)

PER_BATCH = 60
RANDOM = np.random.default_rng(5)
IMAGES = RANDOM.integers(0, 256, (6 * PER_BATCH, 32, 32, 3), np.uint8)
LABELS = RANDOM.integers(0, 10, 6 * PER_BATCH)


def planes(images: np.ndarray) -> np.ndarray:
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def pickled(images: np.ndarray, labels: np.ndarray) -> bytes:
    return pickle.dumps({b"data": planes(images), b"labels": labels.tolist()}, protocol=2)


def binary(images: np.ndarray, labels: np.ndarray) -> bytes:
    return np.hstack([labels[:, None].astype(np.uint8), planes(images)]).tobytes()


def members(form: str) -> dict[str, bytes]:
    encode, ending = (pickled, "") if form == "py" else (binary, ".bin")
    names = [f"data_batch_{i}{ending}" for i in range(1, 6)] + [f"test_batch{ending}"]
    cut = [slice(i * PER_BATCH, (i + 1) * PER_BATCH) for i in range(6)]
    return {name: encode(IMAGES[part], LABELS[part]) for name, part in zip(names, cut, strict=True)}


def archive(form: str) -> bytes:
    with tarfile.open(fileobj=(target := io.BytesIO()), mode="w:gz") as tar:
        for name, content in members(form).items():
            entry = tarfile.TarInfo(f"cifar-10-batches-{form}/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def accept(content: bytes, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the checksum of an archive made here count as the published one."""
    checksum = hashlib.md5(content, usedforsecurity=False).hexdigest()
    monkeypatch.setitem(workload.ARCHIVES, checksum, f"cifar-10-batches-{form}")


def assert_is_the_data(images: object) -> None:
    assert isinstance(images, workload.Images)
    np.testing.assert_array_equal(images.train, IMAGES[: 5 * PER_BATCH])
    np.testing.assert_array_equal(images.train_labels, LABELS[: 5 * PER_BATCH])
    np.testing.assert_array_equal(images.test, IMAGES[5 * PER_BATCH :])
    np.testing.assert_array_equal(images.test_labels, LABELS[5 * PER_BATCH :])
    assert images.name == "cifar-10 subset of 300"
    assert images.tag == "[subset]"


@pytest.mark.parametrize("form", ["py", "bin"])
def test_an_archive_with_the_right_checksum_is_read(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file := tmp_path / "any-name.tar.gz").write_bytes(content := archive(form))
    accept(content, form, monkeypatch)

    images = workload.from_path(file)

    assert_is_the_data(images)
    assert images.note.endswith("checksum verified")


@pytest.mark.parametrize("form", ["py", "bin"])
@pytest.mark.parametrize("inside", [".", "parent"])
def test_an_unpacked_folder_is_read(form: str, inside: str, tmp_path: Path) -> None:
    folder = tmp_path if inside == "." else tmp_path / f"cifar-10-batches-{form}"
    folder.mkdir(exist_ok=True)
    for name, content in members(form).items():
        (folder / name).write_bytes(content)

    assert_is_the_data(workload.from_path(tmp_path))


def test_an_npz_is_read(tmp_path: Path) -> None:
    cut = 5 * PER_BATCH
    train, labels = IMAGES[:cut], LABELS[:cut, None].astype(np.uint8)
    test, test_labels = IMAGES[cut:], LABELS[cut:]
    np.savez(tmp_path / "b.npz", x_train=train, y_train=labels)
    np.savez(tmp_path / "a.npz", x_train=train, y_train=labels, x_test=test, y_test=test_labels)

    assert_is_the_data(workload.from_path(tmp_path / "a.npz"))
    assert len(workload.from_path(tmp_path / "b.npz").test) == 0


def test_all_50000_images_are_no_subset(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "a.npz",
        x_train=np.zeros((50_000, 32, 32, 3), np.uint8),
        y_train=np.zeros(50_000, np.uint8),
    )

    images = workload.from_path(tmp_path / "a.npz")

    assert (images.name, images.tag) == ("cifar-10", "")


@pytest.mark.parametrize(
    ("images", "labels", "says"),
    [
        (LABELS[:9], LABELS[:9], "int64 (9,)"),
        (IMAGES[:9], LABELS[:8], "9 images but 8 labels"),
        (IMAGES[:9], LABELS[:9] + 10, "from 0 to 9"),
        (IMAGES[:9], LABELS[:9] / 2, "whole numbers"),
    ],
)
def test_what_is_no_cifar10_is_one_sentence(
    images: np.ndarray, labels: np.ndarray, says: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "a.npz", x_train=images, y_train=labels)

    with pytest.raises(workload.WorkloadError, match="cannot be read as CIFAR-10") as caught:
        workload.from_path(tmp_path / "a.npz")

    assert says in caught.value.what
    assert "\n" not in caught.value.what
    assert caught.value.code == 2


def test_an_npz_without_images_names_what_it_lacks(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES[:9])

    with pytest.raises(workload.WorkloadError, match="x_train"):
        workload.from_path(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tar.gz", archive("py")[:-100]),
        ("a.tar.gz", b"<html>404</html>"),
        ("a.npz", b""),
        ("a.npz", b"PK\x03\x04 cut"),
        ("a.npz", pickle.dumps([1])),
    ],
)
def test_a_damaged_file_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(workload.WorkloadError, match="cannot be read as CIFAR-10"):
        workload.from_path(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [b"", b"no pickle", pickled(IMAGES[:9], LABELS[:9])[:-50], pickle.dumps([1], protocol=2)],
)
def test_a_damaged_batch_in_a_folder_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "data_batch_1").write_bytes(content)

    with pytest.raises(workload.WorkloadError, match="cannot be read as CIFAR-10"):
        workload.from_path(tmp_path)


class Harmful:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.target),)


def test_a_pickle_that_would_run_code_does_not(tmp_path: Path) -> None:
    harm = tmp_path / "harm"
    content = pickle.dumps({b"data": Harmful(harm), b"labels": []}, protocol=2)
    (tmp_path / "data_batch_1").write_bytes(content)

    with pytest.raises(workload.WorkloadError, match=r"names posix\.mkdir"):
        workload.from_path(tmp_path)

    assert not harm.exists()
    pickle.loads(content)
    assert harm.exists(), "the pickle was harmless: this test would prove nothing"


def options(tmp_path: Path, **given: object) -> object:
    return workload.Options(**{"cache": str(tmp_path), "batch": 32, **given})


def never(*_: object) -> bytes:
    raise AssertionError("nothing should be downloaded")


def test_auto_takes_the_cached_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = archive("py")
    (tmp_path / workload.ARCHIVE).write_bytes(content)
    accept(content, "py", monkeypatch)
    monkeypatch.setattr(workload, "download", never)

    assert_is_the_data(workload.load(options(tmp_path)))


def test_auto_downloads_checks_and_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = archive("py")
    accept(content, "py", monkeypatch)
    (tmp_path / workload.ARCHIVE).write_bytes(b"damaged")
    monkeypatch.setattr(workload, "download", lambda *_: content)

    assert_is_the_data(workload.load(options(tmp_path)))
    assert (tmp_path / workload.ARCHIVE).read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == [workload.ARCHIVE]


def test_auto_makes_no_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accept(content := archive("py"), "py", monkeypatch)
    monkeypatch.setattr(workload, "download", lambda *_: content)

    assert_is_the_data(workload.load(options(tmp_path / "none")))
    assert not list(tmp_path.iterdir())


def test_auto_without_a_usable_download_is_synthetic_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workload, "download", lambda *_: b"<html>sign in to this network</html>")

    images = workload.load(options(tmp_path))

    assert (images.name, images.tag) == ("synthetic", "[synthetic]")
    assert "failed: MD5" in images.note
    assert f"no {tmp_path}" in images.note
    assert not list(tmp_path.iterdir())


def test_a_download_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, **__: object) -> object:
        __import__("time").sleep(5)
        raise OSError("late")

    monkeypatch.setattr(workload.urllib.request, "urlopen", hang)

    with pytest.raises(TimeoutError, match="not done within"):
        workload.download("https://example.invalid/a", 0.05)


def test_too_few_images_and_missing_test_images_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=IMAGES[:40], y_train=LABELS[:40])
    path = str(tmp_path / "a.npz")

    with pytest.raises(workload.WorkloadError, match="40 training images are fewer than"):
        workload.load(options(tmp_path, data=path, batch=41))
    with pytest.raises(workload.WorkloadError, match="no test images"):
        workload.load(options(tmp_path, data=path, evaluate=True))


def test_synthetic_images_are_the_same_for_the_same_seed() -> None:
    first, again, other = (workload.synthetic(seed, "", 200, 50) for seed in (1, 1, 2))

    np.testing.assert_array_equal(first.train, again.train)
    np.testing.assert_array_equal(first.test_labels, again.test_labels)
    assert not np.array_equal(first.train, other.train)
    assert (first.train.dtype, first.train.shape) == (np.uint8, (200, 32, 32, 3))
    assert set(first.train_labels) == set(range(10))


def test_synthetic_images_are_not_told_apart_by_their_mean() -> None:
    images = workload.synthetic(0, "", 4000, 1000)
    data = SimpleNamespace(
        train=images.train.reshape(4000, -1) / 255.0, test=images.test.reshape(1000, -1) / 255.0
    )
    means = np.stack([data.train[images.train_labels == c].mean(axis=0) for c in range(10)])

    nearest = ((data.test**2).sum(1)[:, None] - 2 * data.test @ means.T + (means**2).sum(1)).argmin(
        axis=1
    )

    accuracy = (nearest == images.test_labels).mean()
    assert 0.12 < accuracy < 0.9, "chance is 0.1: the class must show, but not at a glance"
