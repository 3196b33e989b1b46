#!/bin/sh
# Install what this machine lacks for virtual machines, boxes included; instant where it lacks nothing.
set -eu
here=$(dirname "$0")
PATH=$PATH:/usr/sbin:/sbin
sh "$here/boxes.sh"
missing=
for pair in qemu-system-x86_64:qemu-system-x86 sfdisk:fdisk mke2fs:e2fsprogs; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
done
if [ -n "$missing" ]; then
    # word splitting makes the arguments
    sh "$here/apt.sh" $missing
fi
