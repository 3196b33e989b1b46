from __future__ import annotations

from typing import TYPE_CHECKING

from provision.box import certificates, inherit, pip_settings
from provision.box.archive import Archive

if TYPE_CHECKING:
    from pathlib import Path


def pem(content: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----"


def test_apt_options_only_about_reaching_the_archive() -> None:
    dump = (
        'APT::Architecture "amd64";\nAcquire::Check-Date "false";\n'
        'Acquire::http::Proxy "http://u:p@proxy.example:3128";\n'
        'Acquire::https::Proxy "http://localhost:3128";\n'
        'Acquire::http::Proxy::direct.example "DIRECT";\n'
    )
    assert inherit.apt_options(dump) == {
        "Acquire::Check-Date": "false",
        "Acquire::http::Proxy": "http://u:p@proxy.example:3128",
    }


def test_proxies_a_box_can_reach() -> None:
    environment = {
        "http_proxy": "http://proxy.example:3128",
        "HTTPS_PROXY": "http://127.0.0.1:8080",
        "no_proxy": "localhost",
        "ftp_proxy": "",
        "PATH": "/bin",
    }
    expected = {"http_proxy": "http://proxy.example:3128", "no_proxy": "localhost"}
    assert inherit.proxies(environment) == expected


def test_a_secret_is_not_shown() -> None:
    secret = "http://user:hunter2@mirror.example/debian"
    held = inherit.Inheritance(
        archive=Archive(packages=secret, security=secret),
        pip={"index-url": "https://user:hunter2@pypi.example/simple"},
        proxies={"http_proxy": "http://user:hunter2@proxy.example"},
        apt_options={"Acquire::http::Proxy": "http://user:hunter2@proxy.example"},
    )
    assert "hunter2" not in repr(held)
    assert "mirror.example" in repr(held)


def test_pip_files_in_order_then_the_environment(tmp_path: Path) -> None:
    first, second = tmp_path / "a.conf", tmp_path / "b.conf"
    first.write_text("[global]\nindex-url = https://a.example/simple\ntimeout = 5\n")
    second.write_text(
        "[global]\nindex-url = https://b.example/simple\n"
        "extra-index-url =\n    file:///srv/simple\n    https://c.example/simple\n"
        "find-links = /srv/wheels\ntrusted-host = b.example\ncert = /srv/ca.pem\n"
    )
    found = pip_settings.collect({"PIP_DEFAULT_TIMEOUT": "9"}, [first, second, tmp_path / "none"])
    assert found == {
        "index-url": "https://b.example/simple",
        "extra-index-url": "https://c.example/simple",
        "trusted-host": "b.example",
        "timeout": "9",
    }


def test_a_broken_pip_file_is_passed_over(tmp_path: Path) -> None:
    broken = tmp_path / "pip.conf"
    broken.write_text("no section\n")
    assert pip_settings.collect({}, [broken]) == {}


def test_pip_files_are_off_where_pip_says_so() -> None:
    assert pip_settings.default_files({"PIP_CONFIG_FILE": "/dev/null"}) == []


def test_pip_conf_can_be_read_back(tmp_path: Path) -> None:
    settings = {"index-url": "https://b.example/%7Eme/simple", "timeout": "9"}
    written = tmp_path / "pip.conf"
    written.write_text(pip_settings.conf(settings))
    assert pip_settings.collect({}, [written]) == settings


def test_extra_authorities(tmp_path: Path) -> None:
    local, bundle, other = tmp_path / "local", tmp_path / "bundle.crt", tmp_path / "other.pem"
    (local / "deep").mkdir(parents=True)
    (local / "deep/one.crt").write_text(f"# a name\n{pem('one')}\n")
    (local / "readme.txt").write_text(pem("not a crt"))
    bundle.write_text(pem("distribution's"))
    other.write_text(f"{pem('one')}\n{pem('two')}\n")
    environment = {"SSL_CERT_FILE": str(bundle), "PIP_CERT": str(other)}
    assert certificates.extra(environment, local, bundle) == (pem("one"), pem("two"))


def test_no_extra_authorities(tmp_path: Path) -> None:
    assert certificates.extra({"PIP_CERT": str(tmp_path / "none")}, tmp_path / "none") == ()
