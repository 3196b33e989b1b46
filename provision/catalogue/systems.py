"""The systems that dlrig provisions, with their compilers and kernels."""

from __future__ import annotations

import msgspec

from provision.catalogue.rows import Row, read_toml


class System(Row, frozen=True, kw_only=True):
    """A system.

    Attributes:
        id: ``Facts.system.key``: ``ubuntu-24.04``.
        name: for people.
        python: the version that it brings.
        gcc: the major version of its default compiler.
        glibc: the C library's version.
        kernel: series of its first kernel.
        kernel_flavours: those that have metapackages of their own.
        module_flavours: those for which the distribution builds NVIDIA's modules itself.
        hwe: suffix of the metapackages of later kernels, after the flavour; empty where there are none.
        hwe_flavours: those that have later kernels under that suffix.
    """

    id: str
    name: str
    python: str
    gcc: int
    glibc: str
    kernel: str
    kernel_flavours: tuple[str, ...]
    module_flavours: tuple[str, ...] = ()
    hwe: str = ""
    hwe_flavours: tuple[str, ...] = ()

    def kernel_suffix(self, release: str) -> str:
        """What metapackages for a kernel end in: ``generic``, ``generic-hwe-24.04``, ``aws``, ``cloud-amd64``.

        Args:
            release: ``6.8.0-60-generic``; empty for the system's usual kernel.

        Returns:
            Empty where the distribution has none for it: a kernel of somebody's own.
        """
        if not release:
            return self.kernel_flavours[0]
        # The longest first: cloud-amd64 ends in amd64 too.
        for flavour in sorted(self.kernel_flavours, key=len, reverse=True):
            if release.endswith(f"-{flavour}"):
                usual = release.startswith((f"{self.kernel}.", f"{self.kernel}-"))
                later = bool(self.hwe) and not usual and flavour in self.hwe_flavours
                return f"{flavour}-{self.hwe}" if later else flavour
        return ""

    def has_modules(self, suffix: str) -> bool:
        """Whether the distribution builds NVIDIA's modules for kernels of this suffix."""
        return bool(suffix) and suffix.removesuffix(f"-{self.hwe}") in self.module_flavours


class _Systems(msgspec.Struct, forbid_unknown_fields=True):
    system: tuple[System, ...]


def read_systems() -> tuple[System, ...]:
    """From ``systems.toml``."""
    return read_toml("systems.toml", _Systems).system
