#!/bin/bash
# Stands in for the Miniforge installer where conda-forge cannot be reached: same options, and a 'conda' whose
# 'create' really solves and installs, by py-rattler. It knows no other command.
set -euo pipefail
while getopts "bp:" option; do
    case $option in
        b) ;;
        p) prefix=$OPTARG ;;
        *) exit 2 ;;
    esac
done
if [ -e "$prefix" ]; then
    echo "ERROR: File or directory already exists: '$prefix'" >&2
    exit 1
fi
python3 -m venv "$prefix"
PIP_CERT=/etc/ssl/certs/ca-certificates.crt "$prefix/bin/python" -m pip install --quiet "py-rattler==0.28.0"
cat >"$prefix/bin/conda" <<END
#!$prefix/bin/python
import argparse, asyncio, os
from rattler import install, solve

parser = argparse.ArgumentParser()
parser.add_argument("command", choices=["create"])
parser.add_argument("--yes", action="store_true", required=True)
parser.add_argument("--quiet", action="store_true")
parser.add_argument("--prefix", required=True)
parser.add_argument("--override-channels", action="store_true", required=True)
parser.add_argument("--channel", action="append", required=True)
parser.add_argument("specs", nargs="+")
given = parser.parse_args()


async def create():
    records = await solve(given.channel, given.specs, platforms=["linux-64", "noarch"])
    await install(records=records, target_prefix=given.prefix)


asyncio.run(create())
# py-rattler's threads now and then crash the interpreter while it shuts down.
os._exit(0)
END
chmod +x "$prefix/bin/conda"
