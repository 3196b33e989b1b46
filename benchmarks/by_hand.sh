#!/bin/sh
# What a person would type on a bare Debian box to get what the roles install, one after the other.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends \
    bzip2 ca-certificates curl kmod pciutils procps python3 python3-apt python3-venv
printf '%s\n' '* - memlock unlimited' 'root - memlock unlimited' '* - nofile 1048576' 'root - nofile 1048576' \
    >/etc/security/limits.d/90-dlrig.conf
mkdir -p /opt/dlrig/envs
python3 -m venv /opt/dlrig/envs/tensorflow
/opt/dlrig/envs/tensorflow/bin/pip install -q tensorflow-cpu==2.21.0
