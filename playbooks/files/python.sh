# Install Python on a rig that has none, and $PACKAGES beside it, separated by blanks. Run as root by sh, sent by Ansible's raw module.
# Prints nothing to standard output unless it succeeded: then one line, DLRIG-PYTHON-INSTALLED.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

# sudo drops the proxies that /etc/environment sets; apt needs them.
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    value=$(sed -n "s/^\(export \)\{0,1\}$name=//p" /etc/environment 2>/dev/null | tail -n 1 | tr -d "\"'")
    if [ -n "$value" ]; then
        export "$name=$value"
    fi
done

if ! command -v apt-get >/dev/null 2>&1; then
    echo "this system has no apt-get: dlrig provisions Debian 12 and 13, Ubuntu 22.04, 24.04 and 26.04" >&2
    exit 1
fi

# On a cloud machine's first boot cloud-init installs packages too.
if command -v cloud-init >/dev/null 2>&1; then
    timeout "$LOCK_TIMEOUT" cloud-init status --wait >/dev/null 2>&1 || true
fi

# A repeated attempt outlasts a lock on the package lists, which apt does not wait for by itself,
# and a mirror that is being synchronised.
attempt() {
    end=$(($(date +%s) + LOCK_TIMEOUT))
    until "$@" >/dev/null 2>"$log"; do
        if ! grep -Eq "Could not get lock|Unable to lock|unexpected size|Mirror sync|frontend lock" "$log" ||
            [ "$(date +%s)" -ge "$end" ]; then
            tail -n 15 "$log" | sed 's#//[^/[:space:]]*@#//***@#g' >&2
            exit 1
        fi
        sleep 10
    done
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ -n "$(dpkg --audit)" ]; then
    attempt dpkg --configure -a
fi
attempt apt-get -o DPkg::Lock::Timeout="$LOCK_TIMEOUT" -o APT::Update::Error-Mode=any update
attempt apt-get -o DPkg::Lock::Timeout="$LOCK_TIMEOUT" install --yes --no-install-recommends python3 python3-apt $PACKAGES
echo DLRIG-PYTHON-INSTALLED
