"""Throwaway rigs on this machine, for the demonstration and for tests.

A box is a systemd-nspawn container that boots: its own systemd, sshd, users, network and disk, over a
shared root file system that mmdebstrap makes once. It has this machine's kernel and its devices are
this machine's; everything else is what a freshly installed machine has.
"""

from __future__ import annotations

from provision.box.errors import BoxError
from provision.box.machine import Box
from provision.box.settings import Settings

__all__ = ["Box", "BoxError", "Settings"]
