#!/bin/sh
# mmdebstrap's customize hook: the users of every box. $1 is the new root.
#   rigger  sudo without a password        typist  sudo with a password (each box sets its own)
#   guest   no sudo
set -eu
root=$1
for user in rigger typist guest; do
    chroot "$root" useradd --create-home --shell /bin/bash "$user"
done
chroot "$root" usermod --append --groups sudo typist
printf 'rigger ALL=(ALL:ALL) NOPASSWD: ALL\n' >"$root/etc/sudoers.d/rigger"
chmod 0440 "$root/etc/sudoers.d/rigger"
# each box gets its own
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"
# with this folder the journal outlives a reboot
mkdir -p "$root/var/log/journal"
printf 'LANG=C.UTF-8\n' >"$root/etc/default/locale"
# each box gets its own sources, unless they are mmdebstrap's ($2: own or default), and its own options
rm -f "$root/etc/apt/apt.conf.d/99mmdebstrap"
[ "$2" = default ] || rm -f "$root/etc/apt/sources.list" "$root"/etc/apt/sources.list.d/*
