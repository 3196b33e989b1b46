"""The driver's module in every kernel that could boot; nouveau, which would take the cards instead."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from provision.facts.reading import Reading

if TYPE_CHECKING:
    from provision.facts.reading import Transcript

NAME = "kernel_modules"
INITRAMFS = "nouveau_initramfs"

_WITH_GPU = r"""
for v in /sys/bus/pci/devices/*/vendor; do
  [ -r "$v" ] && read -r x <"$v" && [ "$x" = 0x10de ] && gpu=1 && break
done
[ -n "${gpu:-}" ] || exit 0
"""

# By file, as look.sh does: the module's name differs between archives (nvidia, nvidia-current, nvidia-580-open),
# and modinfo -k finds only what depmod has seen.
_READ = (
    _WITH_GPU
    + r"""
command -v modinfo >/dev/null 2>&1 || echo "modinfo no"
for image in /boot/vmlinuz-*; do
  k=${image#/boot/vmlinuz-}
  case $k in *.old | *.bak | *rescue* | '*') continue;; esac
  [ -d "/lib/modules/$k" ] || continue
  versions=$(find "/lib/modules/$k/updates" "/lib/modules/$k/extra" "/lib/modules/$k/misc" \
      "/lib/modules/$k/kernel/drivers/video" "/lib/modules/$k"/kernel/nvidia* -name 'nvidia*.ko*' 2>/dev/null |
    grep -E '/nvidia(-current|-tesla|-legacy-[0-9]+xx|-[0-9]+|-srv|-server)*(-open)?\.ko(\.(xz|zst|gz))?$' |
    while read -r file; do v=$(modinfo -F version "$file" 2>/dev/null); echo "${v:-unknown}"; done |
    sort -u | tr '\n' ' ')
  set -- "/lib/modules/$k/kernel/drivers/gpu/drm/nouveau"/nouveau.ko*
  [ -e "$1" ] && nouveau=yes || nouveau=no
  printf 'kernel %s %s %s\n' "$k" "$nouveau" "$versions"
done | head -n 50
for m in nouveau nova_core; do [ ! -d "/sys/module/$m" ] || echo "loaded $m"; done
read -r line </proc/cmdline
case " $line " in
  *blacklist=*nouveau* | *nouveau.modeset=0*) echo "denied the kernel's command line";;
esac
b='[[:space:]]+' e='([[:space:]]|$)'
rule="^[[:space:]]*(blacklist${b}nouveau|install${b}nouveau$b(/usr)?/bin/(false|true)|alias${b}nouveau${b}off)$e"
for f in /etc/modprobe.d/*.conf /run/modprobe.d/*.conf /usr/local/lib/modprobe.d/*.conf /lib/modprobe.d/*.conf; do
  [ ! -r "$f" ] || ! grep -qE "$rule" "$f" || echo "denied $f"
done
"""
)

# Listing an image unpacks it: only where nouveau could be in it, and of the newest and the running kernel's.
_IMAGES = (
    _WITH_GPU
    + r"""
list=
for tool in lsinitramfs lsinitrd; do [ -n "$list" ] || ! command -v "$tool" >/dev/null 2>&1 || list=$tool; done
newest=$(for i in /boot/initrd.img-*; do
  case $i in *.old* | *.bak | *dkms*) ;; *) [ ! -e "$i" ] || echo "$i";; esac
done | sort -V | tail -n 1)
for image in "$newest" "/boot/initrd.img-$(uname -r)"; do
  k=${image#/boot/initrd.img-}
  [ "$k" != "${seen:-}" ] && [ -e "$image" ] || continue
  seen=$k
  set -- "/lib/modules/$k/kernel/drivers/gpu/drm/nouveau"/nouveau.ko*
  if [ ! -e "$1" ]; then echo "image $k none"; continue; fi
  if [ -z "$list" ]; then echo "image $k no-tool"; continue; fi
  if [ ! -r "$image" ]; then echo "image $k no-permission"; continue; fi
  { timeout 8 "$list" "$image" 2>/dev/null || echo /cut; } |
    awk -v k="$k" '
      $0 == "/cut" { cut = 1 }
      /\/nouveau\.ko/ { nouveau = 1 }
      /modprobe\.d\/.*\.conf$/ { sub(/.*\//, ""); names = names " " $0 }
      END { print "image " k, (cut ? "cut" : nouveau ? "nouveau" : "none") substr(names, 1, 2000) }'
done
"""
)

READINGS: tuple[Reading, ...] = (
    Reading(name=NAME, command=_READ, limit=8.0),
    Reading(name=INITRAMFS, command=_IMAGES, limit=18.0),
)
MAY_FAIL: frozenset[str] = frozenset()

_KERNEL = re.compile(r"kernel (\S{1,100}) (yes|no)((?: [0-9a-z.]{1,30})*) *")
_IMAGE = re.compile(
    r"image (\S{1,100}) (none|nouveau|cut|no-tool|no-permission)((?: \S{1,200})*) *"
)


class Kernel(msgspec.Struct, frozen=True, kw_only=True):
    """A kernel that could boot.

    Attributes:
        release: ``6.8.0-60-generic``.
        modules: versions of NVIDIA's modules for it; ``unknown`` for one that modinfo could not read.
        nouveau: it brings nouveau.
    """

    release: str
    modules: tuple[str, ...] = ()
    nouveau: bool = False


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """What the boot begins with.

    Attributes:
        release: the kernel's.
        nouveau: nouveau is in it; None where that could not be seen.
        why: why not: ``cut``, ``no-tool``, ``no-permission``.
        rules: names of the files of modprobe.d in it.
    """

    release: str
    nouveau: bool | None = None
    why: str = ""
    rules: tuple[str, ...] = ()


class Kernels(msgspec.Struct, frozen=True, kw_only=True):
    """Kernels, and nouveau.

    Attributes:
        kernels: those with an image in /boot and modules.
        modinfo: the tool that reads a module's version is there.
        loaded: ``nouveau`` or ``nova_core``, where they are.
        denied: what keeps nouveau from loading: files of modprobe.d, the kernel's command line.
        images: of the newest and the running kernel.
    """

    kernels: tuple[Kernel, ...] = ()
    modinfo: bool = True
    loaded: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()


def parse(transcript: Transcript) -> Kernels:
    """Make sense of the readings."""
    lines = transcript.lines(NAME)
    words = [line.partition(" ") for line in lines]
    kernels = (_KERNEL.fullmatch(line) for line in lines)
    images = (_IMAGE.fullmatch(line) for line in transcript.lines(INITRAMFS))
    return Kernels(
        kernels=tuple(
            Kernel(release=row[1], nouveau=row[2] == "yes", modules=tuple(row[3].split()))
            for row in kernels
            if row
        ),
        modinfo="modinfo no" not in lines,
        loaded=tuple(rest[:50] for key, _, rest in words if key == "loaded"),
        denied=tuple(rest[:300] for key, _, rest in words if key == "denied"),
        images=tuple(_image(row) for row in images if row),
    )


def _image(row: re.Match[str]) -> Image:
    known = {"none": False, "nouveau": True}.get(row[2])
    return Image(
        release=row[1],
        nouveau=known,
        why="" if known is not None else row[2],
        rules=tuple(row[3].split()),
    )
