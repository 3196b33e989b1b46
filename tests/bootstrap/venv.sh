#!/bin/sh
# Make the virtual environment $1 with the project, editable, and its development tools.
# Uses the first python3 of at least 3.11; pip's own configuration and environment stay in force.
set -eu
venv=$1
here=$(dirname "$0")

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

python=
for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && new_enough "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "set-up: no python3 of at least 3.11 on this machine." >&2
    echo "        Debian 12 and Ubuntu 24.04 have one: apt-get install python3" >&2
    echo "        Ubuntu 22.04: apt-get install python3.11 python3.11-venv" >&2
    exit 1
fi

if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    sh "$here/apt.sh" "python$version-venv"
fi

# A folder that an interrupted set-up left may hold another interpreter.
new_enough "$venv/bin/python" || rm -rf "$venv"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m ensurepip --upgrade >/dev/null
# --group came with pip 25.1
"$venv/bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
"$venv/bin/python" -m pip install --quiet --editable . --group dev
