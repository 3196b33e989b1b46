#!/bin/sh
# Managed by dlrig; a change made here is undone by its next run.
# Is this rig still what was accepted? Costs milliseconds: every boot and every login asks it.
#
#   dlrig-watch now       kernel and driver as they are
#   dlrig-watch changed   exit 0 where they are not those of the last acceptance, and nobody else is checking; else 2
#   dlrig-watch login     a line where somebody who logs in should know something
#   dlrig-watch show      all of it, for dlrig
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
state=/var/lib/dlrig

# The libraries' files carry the driver's version, whoever installed them.
libraries() {
  for folder in /usr/lib/*-linux-gnu /usr/lib/*-linux-gnu/nvidia/* /usr/lib64; do
    for file in "$folder"/libcuda.so.[0-9][0-9][0-9]*.* "$folder"/libnvidia-ml.so.[0-9][0-9][0-9]*.*; do
      [ ! -e "$file" ] || echo "${file##*.so.}"
    done
  done | sort -u | paste -sd ' '
}

now() {
  loaded=
  [ ! -r /sys/module/nvidia/version ] || read -r loaded </sys/module/nvidia/version
  printf 'kernel %s\nloaded %s\ninstalled %s\n' "$(uname -r)" "$loaded" "$(libraries)"
}

# The same three lines, of a note that dlrig left; nothing where there is none.
noted() {
  sed -n 's/^ *"\(kernel\|loaded\|installed\)": "\(.*\)",*$/\1 \2/p' "$state/$1.json" 2>/dev/null
}

field() {
  sed -n 's/^ *"'"$2"'": "\(.*\)",*$/\1/p' "$state/$1.json" 2>/dev/null
}

# Who restarts the rig to check it afterwards leaves a mark, and checks alone: two at once measure each other.
somebody_checks() {
  [ -z "$(find "$state/restarted-by-dlrig" -mmin -60 2>/dev/null)" ] || return 0
  [ -e "$state/upgrade.json" ]
}

changed() {
  if somebody_checks; then
    rm -f "$state/restarted-by-dlrig"
    return 2
  fi
  was=$(noted accepted)
  case $was in
    *'loaded '[0-9]*)
      # Without its daemon the driver is loaded by whoever first asks for it.
      [ -e /sys/module/nvidia ] || timeout 60 nvidia-smi -L >/dev/null 2>&1
      ;;
  esac
  # Not 1, which the unit takes for a success.
  [ "$(now)" != "$was" ] || return 2
}

login() {
  [ -r "$state/verdict.json" ] || return 0
  is=$(now)
  if [ "$is" = "$(noted verdict)" ]; then
    said=$(field verdict login)
    [ -z "$said" ] || printf '%s\n' "$said"
  elif [ "$is" != "$(noted accepted)" ]; then
    printf 'dlrig: kernel or driver changed since this rig was checked on %s: ' \
      "$(field verdict started | cut -c1-10)"
    if [ "$(systemctl is-active dlrig-watch.service 2>/dev/null)" = active ]; then
      echo 'being checked now; see: journalctl -fu dlrig-watch'
    else
      echo 'not checked yet; it will be at the next boot, or now: sudo systemctl start dlrig-watch'
    fi
  fi
}

show() {
  printf '== now\n%s\n== tool\n' "$(now)"
  if [ -x /opt/dlrig/tool/bin/python ] && /opt/dlrig/tool/bin/python -I -c '' 2>/dev/null; then
    cat /opt/dlrig/tool/dlrig-tool.json 2>/dev/null
  fi
  printf '\n== enabled\n'
  systemctl is-enabled dlrig-watch.service 2>/dev/null
  for each in /etc/dlrig/watch "$state/accepted" "$state/verdict"; do
    printf '\n== %s\n' "${each##*/}"
    cat "$each.json" 2>/dev/null
  done
  return 0
}

case ${1:-} in
  now | changed | login | show) "$1" ;;
  *)
    echo "usage: dlrig-watch now|changed|login|show" >&2
    exit 64
    ;;
esac
