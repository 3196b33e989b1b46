#!/bin/sh
# What a person would type on a bare Debian 12 box with a GPU of NVIDIA's to get what dlrig installs there, one after
# the other. INSTALLER=uv fills the environments with uv instead of pip.
set -eu
export DEBIAN_FRONTEND=noninteractive
install="apt-get install -q -y --no-install-recommends"

# --- what every rig needs
sed -i 's/^Components: main$/Components: main contrib non-free non-free-firmware/' \
    /etc/apt/sources.list.d/*.sources
apt-get update -q
$install bzip2 ca-certificates curl kmod pciutils procps python3 python3-apt python3-venv
printf '%s\n' '* - memlock unlimited' 'root - memlock unlimited' '* - nofile 1048576' 'root - nofile 1048576' \
    >/etc/security/limits.d/90-dlrig.conf

# --- the driver, whose modules DKMS builds
$install linux-headers-cloud-amd64 nvidia-kernel-dkms nvidia-smi libcuda1 nvidia-persistenced libnvidia-cfg1

# --- the CUDA toolkit
$install nvidia-cuda-toolkit g++

# --- the environments
mkdir -p /opt/dlrig/envs
fill() {
    name=$1
    shift
    python3 -m venv "/opt/dlrig/envs/$name"
    if [ "${INSTALLER:-pip}" = uv ]; then
        /opt/dlrig/uv/bin/uv pip install -q --system-certs --python "/opt/dlrig/envs/$name/bin/python" "$@"
    else
        "/opt/dlrig/envs/$name/bin/pip" install -q "$@"
    fi
}
if [ "${INSTALLER:-pip}" = uv ]; then
    python3 -m venv /opt/dlrig/uv
    /opt/dlrig/uv/bin/pip install -q uv==0.13.9
fi
fill tensorflow tensorflow-cpu==2.21.0
fill tensorflow_gpu 'tensorflow[and-cuda]==2.21.0' 'nvidia-cudnn-cu12>=9.3.0.75,<9.11'
