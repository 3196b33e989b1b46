from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from provision.box import archive, systems

if TYPE_CHECKING:
    from pathlib import Path

DEBIAN = systems.table().distributions["debian"]
UBUNTU = systems.table().distributions["ubuntu"]

OWN_KEY = "/usr/share/keyrings/debian-archive-keyring.gpg"


def etc_apt(tmp_path: Path, **files: str) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    for name, text in files.items():
        stem, _, kind = name.rpartition("_")
        place = (
            tmp_path / "sources.list" if not stem else tmp_path / f"sources.list.d/{stem}.{kind}"
        )
        place.write_text(text)
    return tmp_path


def test_without_sources_it_is_left_to_mmdebstrap(tmp_path: Path) -> None:
    found = archive.find(DEBIAN, tmp_path)
    assert (found.packages, found.security) == ("", "")
    assert archive.one_line_sources(systems.system("debian-12"), DEBIAN, found) == []


def test_deb822_mirror_with_a_comment_inside(tmp_path: Path) -> None:
    text = (
        "Types: deb\n# a snapshot\nURIs: https://u:p@mirror.example/debian\n"
        f"Suites: bookworm\n bookworm-updates\nComponents: main\nSigned-By: {OWN_KEY}\n\n"
        "Types: deb deb-src\nURIs: http://mirror.example/debian-security/\n"
        "Suites: bookworm-security\nComponents: main contrib\n"
    )
    found = archive.find(DEBIAN, etc_apt(tmp_path, debian_sources=text))
    assert found.packages == "https://u:p@mirror.example/debian"
    assert found.security == "http://mirror.example/debian-security/"


def test_one_line_mirror_with_options(tmp_path: Path) -> None:
    text = (
        "# deb http://old.example/debian bookworm main\n"
        f"deb [ arch=amd64 signed-by={OWN_KEY} ] http://a.example/debian bookworm main # x\n"
        "deb-src http://b.example/debian bookworm main\n"
    )
    assert archive.find(DEBIAN, etc_apt(tmp_path, _list=text)).packages == "http://a.example/debian"


@pytest.mark.parametrize(
    "line",
    [
        "deb https://download.docker.example/linux/debian bookworm stable",
        "deb [signed-by=/etc/apt/keyrings/x.gpg] https://x.example/debian bookworm main",
        "deb https://apt.postgres.example/pub/repos/apt bookworm-pgdg main",
        "deb file:/srv/debian bookworm main",
        "deb http://localhost:3142/debian bookworm main",
        "deb http://127.0.0.1:3142/debian bookworm main",
        "deb cdrom:[Debian]/ bookworm main",
        "deb",
        "deb [",
    ],
)
def test_third_parties_and_loopback_are_not_the_archive(tmp_path: Path, line: str) -> None:
    found = archive.find(DEBIAN, etc_apt(tmp_path, _list=line))
    assert found.packages == ""


def test_disabled_paragraph(tmp_path: Path) -> None:
    text = "Enabled: no\nTypes: deb\nURIs: http://m.example/debian\nSuites: x\nComponents: main\n"
    found = archive.find(DEBIAN, etc_apt(tmp_path, debian_sources=text))
    assert found.packages == ""


def test_one_ubuntu_paragraph_serves_both(tmp_path: Path) -> None:
    text = (
        "Types: deb\nURIs: http://m.example/ubuntu/\nSuites: noble noble-updates noble-security\n"
        f"Components: main universe\nSigned-By: {UBUNTU.keyring}\n"
    )
    found = archive.find(UBUNTU, etc_apt(tmp_path, ubuntu_sources=text))
    assert found.packages == found.security == "http://m.example/ubuntu/"


def test_sources_are_for_the_boxs_release() -> None:
    found = archive.Archive(
        packages="http://m.example/debian", security="http://m.example/security"
    )
    trixie = systems.system("debian-13")
    lines = archive.one_line_sources(trixie, DEBIAN, found)
    assert [line.split()[3] for line in lines] == ["trixie", "trixie-updates", "trixie-security"]
    text = archive.deb822_sources(trixie, DEBIAN, found)
    assert "Suites: trixie trixie-updates\n" in text
    assert "bookworm" not in text
