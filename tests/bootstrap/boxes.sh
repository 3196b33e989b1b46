#!/bin/sh
# Install what this machine lacks for boxes; instant where it lacks nothing.
set -eu
here=$(dirname "$0")
PATH=$PATH:/usr/sbin:/sbin
# program:package, as provision/box/systems.toml has them; a unit test holds the two together
pairs="mmdebstrap:mmdebstrap systemd-nspawn:systemd-container ip:iproute2 ssh:openssh-client
ssh-keygen:openssh-client nsenter:util-linux setpriv:util-linux mount:mount chroot:coreutils"
missing=
for pair in $pairs; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
done
command -v iptables >/dev/null || command -v nft >/dev/null || missing="$missing iptables"
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$missing debian-archive-keyring"
if [ -n "$missing" ]; then
    # word splitting makes the arguments
    sh "$here/apt.sh" $missing
fi
