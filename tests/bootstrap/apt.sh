#!/bin/sh
# Install the Debian or Ubuntu packages named as arguments, with sudo where this is not root.
set -eu
if ! command -v apt-get >/dev/null; then
    echo "set-up: this machine has no apt-get; install by hand: $*" >&2
    exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "set-up: as root, run: apt-get install --yes $*" >&2
        exit 1
    }
    as_root="sudo --preserve-env"
fi
install="env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends"
# The lists may be old or missing; fetching them costs time, so only when the first try fails.
$as_root $install "$@" || { $as_root apt-get update && $as_root $install "$@"; }
