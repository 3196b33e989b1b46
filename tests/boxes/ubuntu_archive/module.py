"""A simulated kernel module: a real ELF object that modinfo and depmod read, with nothing to run in it."""

from __future__ import annotations

import struct
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("nvidia", "nvidia-modeset", "nvidia-drm", "nvidia-uvm")
LICENCES = {"open": "Dual MIT/GPL", "proprietary": "NVIDIA"}
_MAGIC = b"~Module signature appended~\n"


def module(name: str, version: str, flavour: str, kernel: str) -> bytes:
    """An unsigned module (elf(5), ET_REL) with the information that modinfo(8) prints."""
    information = {
        "version": version,
        "license": LICENCES[flavour],
        "description": "simulated",
        "depends": "" if name == "nvidia" else "nvidia",
        "name": name.replace("-", "_"),
        "vermagic": f"{kernel} SMP preempt mod_unload modversions ",
    }
    modinfo = b"".join(f"{k}={v}".encode() + b"\0" for k, v in information.items())
    return elf({".modinfo": modinfo})


def elf(sections: dict[str, bytes]) -> bytes:
    """A relocatable x86-64 object with the given sections, and empty symbol tables."""
    strings = b"\0" + b"".join(
        name.encode() + b"\0" for name in (*sections, ".symtab", ".strtab", ".shstrtab")
    )
    # SHT_PROGBITS 1, SHT_SYMTAB 2, SHT_STRTAB 3
    table = [(name, 1, data) for name, data in sections.items()]
    table += [(".symtab", 2, bytes(24)), (".strtab", 3, b"\0"), (".shstrtab", 3, strings)]
    body, headers = b"", bytes(64)
    for name, kind, data in table:
        at = strings.index(b"\0" + name.encode() + b"\0") + 1
        link, entry_size = (len(sections) + 2, 24) if kind == 2 else (0, 0)
        place = (64 + len(body), len(data), link, 1 if kind == 2 else 0, 8, entry_size)
        headers += struct.pack("<IIQQQQIIQQ", at, kind, 0, 0, *place)
        body += data + bytes(-len(data) % 8)
    count = len(table) + 1
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    rest = (1, 62, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, count, count - 1)
    return ident + struct.pack("<HHIQQQIHHHHHH", *rest) + body + headers


class Signer:
    """A certificate that signs modules as the kernel's scripts/sign-file does, made in ``folder``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._key, self._certificate = str(folder / "key.pem"), str(folder / "certificate.pem")
        subject = ["-subj", "/CN=Simulated Kernel Module Signing"]
        out = ["-keyout", self._key, "-out", self._certificate]
        _openssl("req", "-new", "-x509", "-nodes", "-newkey", "rsa:2048", *subject, *out)

    def signature(self, content: bytes) -> bytes:
        """What is appended to a module to sign it (include/linux/module_signature.h)."""
        detached = _openssl(
            *("cms", "-sign", "-binary", "-noattr", "-nocerts", "-outform", "DER", "-md", "sha512"),
            *("-signer", self._certificate, "-inkey", self._key),
            stdin=content,
        )
        # id_type 2: PKCS#7
        return detached + struct.pack(">BBBBBxxxI", 0, 0, 2, 0, 0, len(detached)) + _MAGIC


def _openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(
        ["openssl", *arguments], input=stdin, capture_output=True, check=True, timeout=60
    )
    return done.stdout
