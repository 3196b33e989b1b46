#!/bin/sh
# A custom plugin of node-problem-detector. Reads the note that dlrig leaves on a rig; runs no check and needs no dlrig.
# Exit 0: accepted; 1: not accepted; 2: not known. One line of at most 80 bytes, node-problem-detector's default.
set -u
LC_ALL=C
export LC_ALL
note=${DLRIG_NOTES:-/var/lib/dlrig}/verdict.json

say() {
  printf '%s\n' "$1" | tr -cd '\040-\176' | cut -c 1-80
}

field() {
  sed -n 's/^ *"'"$1"'": "\(.*\)",*$/\1/p' "$note" | head -n 1
}

if [ ! -r "$note" ]; then
  say 'this rig was never checked'
  exit 2
fi
kernel=$(uname -r)
if [ "$(field kernel)" != "$kernel" ]; then
  say "kernel $kernel was not checked yet"
  exit 2
fi
loaded=
[ ! -r /sys/module/nvidia/version ] || read -r loaded </sys/module/nvidia/version
if [ "$(field loaded)" != "$loaded" ]; then
  say "driver ${loaded:-none} was not checked yet"
  exit 2
fi
summary=$(field summary)
case $(field verdict) in
  accepted*)
    say "$summary"
    exit 0
    ;;
  rejected)
    say "$summary"
    exit 1
    ;;
esac
say "${summary:-the note cannot be read}"
exit 2
