#!/bin/sh
# What driver a rig has now, as YAML; changes nothing. Needs no Python; knows more with root.
# The controller reads it with the other facts, the role nvidia_driver before and after each change.
set -u
export LC_ALL=C
PATH=${PATH:-/usr/bin}:/usr/sbin:/sbin:/usr/bin:/bin
records=/var/lib/dlrig

# As nvidia_driver_set_patterns and nvidia_driver_never_patterns; a test compares them.
SET='^(nvidia-(alternative|compute-utils|cuda-mps|detect|dkms|driver|egl|fabricmanager|firmware|headless|imex|installer-cleanup|kernel|legacy|libopencl1|modprobe|open|opencl|persistenced|powerd|settings|smi|support|suspend|tesla|utils|vdpau|vulkan|xconfig)(-.*)?|libnvidia-.*|lib(cuda1|cudadebugger1|egl-nvidia0|gles-nvidia[12]|glx-nvidia0|gl1-nvidia-.*|nvcuvid1|nvoptix1|nvsdm(-.*)?)|xserver-xorg-video-nvidia(-.*)?|firmware-nvidia-(gsp|tesla-.*)|linux-(modules|objects|signatures)-nvidia-.*|cuda-drivers(-.*)?)$'
NEVER='^((lib)?nvidia-(container|docker).*|libnvidia-egl-(gbm|wayland|xcb|xlib).*|nvidia-driver-assistant|.*-dev)$'

say() {
    printf "%s: '%s'\n" "$1" "$(printf %s "$2" | tr '\n\r\t' '   ' | tr -d '\000-\010\013-\037\177' | sed "s/'/''/g; s/  *\$//")"
}
words() { tr '\n' ' ' | sed 's/^ *//; s/ *$//'; }
newest() { sort -V | tail -n 1; }

# --- packages: status, name, version, source of each package of the set ------------------------------
native=$(dpkg --print-architecture 2>/dev/null)
everything=$(dpkg-query -W -f '${db:Status-Abbrev}|${Package}|${Version}|${Architecture}|${Section}|${Maintainer}\n' 2>/dev/null)
set=$(printf '%s\n' "$everything" | awk -F'|' -v set="$SET" -v never="$NEVER" -v native="$native" '
    $2 !~ set || $2 ~ never { next }
    substr($1, 2, 1) !~ /[iWtUFH]/ { next }      # config files alone are leftovers
    {
        state = substr($1, 2, 1); half = state ~ /[UFH]/ || substr($1, 3, 1) == "R"
        source = ""; upstream = $3; sub(/^[0-9]+:/, "", upstream); sub(/-[^-]*$/, "", upstream)
        if ($3 ~ /-0ubuntu0\./) source = "ubuntu"
        else if ($3 ~ /-[1-9][0-9]*ubuntu/) source = "nvidia"
        # Both archives count so; only Ubuntu has these sections.
        else if ($3 ~ /-0ubuntu/) source = $5 ~ /^(restricted|multiverse)/ ? "ubuntu" : "nvidia"
        else if ($6 ~ /@nvidia\.com|NVIDIA CORPORATION/) source = "nvidia"
        else if ($3 ~ /-[0-9]/) source = "debian"
        name = $2; if ($4 != native && $4 != "all") name = name ":" $4
        print substr($1, 1, 1), (half ? "half" : "whole"), name, $3, upstream, source
    }')
packages=$(printf '%s\n' "$set" | awk 'NF { print $3 "=" $4 }' | sort -u | words)
half=$(printf '%s\n' "$set" | awk '$2 == "half" { print $3 }' | words)
held=$(printf '%s\n' "$set" | awk '$1 == "h" { print $3 }' | words)
holds_other=$(printf '%s\n' "$everything" | awk -F'|' -v set="$SET" '
    substr($1, 1, 1) == "h" && $2 ~ /^linux-(image|headers|modules)/ && $2 !~ set { print $2 }' | words)
# The parts that must be of one release; settings and persistenced often come from an older one.
core=$(printf '%s\n' "$set" | awk '
    $5 ~ /^[0-9][0-9][0-9]+\.[0-9.]+$/ && $3 ~ /utils|compute|smi|cuda1|dkms|kernel-(source|support|open)|alternative/ {
        print $3, $5, $6 }')
version=$(printf '%s\n' "$core" | awk '
    $1 ~ /^nvidia-utils/ { rank = 1 } $1 ~ /smi$/ { rank = 2 } $1 ~ /cuda1$/ { rank = 3 }
    $1 ~ /^libnvidia-compute/ { rank = 4 }
    rank && (!best || rank < best) { best = rank; found = $2 } { rank = 0 } END { print found }')
branches=$(printf '%s\n' "$core" | awk 'NF { sub(/\..*/, "", $2); print $2 }' | sort -u | words)
origins=$(printf '%s\n' "$core" | awk '$3 { print $3 }' | sort -u | words)

# --- kernels and modules ---------------------------------------------------------------------------
kernel=$(uname -r)
grub_entries() { # index path, title path, id path and kernel of each entry, in the order of the menu
    awk '
        function title(line) { match(line, /[\047"][^\047"]*[\047"]/); return substr(line, RSTART + 1, RLENGTH - 2) }
        function id(line) { return match(line, /menuentry_id_option [\047"][^\047"]*[\047"]/) ? substr(line, RSTART + 21, RLENGTH - 22) : title(line) }
        /^[ \t]*submenu / { outer_n = top++; outer_t = title($0); outer_i = id($0); inside = 1; n = 0 }
        /^[ \t]*menuentry / {
            if (inside) { path = outer_n ">" n++; t = outer_t ">" title($0); i = outer_i ">" id($0) }
            else { path = top++ ""; t = title($0); i = id($0) }
            open = 1
        }
        open && /^[ \t]*linux(efi)?[ \t]/ {
            k = $2; if (sub(/.*vmlinuz-/, "", k)) print path "|" t "|" i "|" k; open = 0 }
        /^}/ { inside = 0 }' /boot/grub/grub.cfg 2>/dev/null
}
boots_next() {
    chosen=$(sed -n 's/^ *GRUB_DEFAULT=//p' /etc/default/grub /etc/default/grub.d/*.cfg 2>/dev/null | tail -n 1 | tr -d "\"'")
    once=$(sed -n 's/^next_entry=//p' /boot/grub/grubenv 2>/dev/null)
    if [ "$chosen" = saved ]; then chosen=$(sed -n 's/^saved_entry=//p' /boot/grub/grubenv 2>/dev/null); fi
    chosen=${once:-${chosen:-0}}
    found=$(grub_entries | awk -F'|' -v wanted="$chosen" '$1 == wanted || $2 == wanted || $3 == wanted { print $4; exit }')
    if [ -n "$found" ] && [ -e "/boot/vmlinuz-$found" ]; then echo "$found"; return; fi
    found=$(for image in /boot/vmlinuz-*; do
        if [ -e "$image" ]; then case $image in *.old | *.bak | *rescue*) ;; *) echo "${image#/boot/vmlinuz-}" ;; esac; fi
    done | newest)
    if [ -n "$found" ]; then echo "$found"; return; fi
    found=$(for list in /lib/modules/*/modules.dep; do
        if [ -e "$list" ]; then list=${list%/modules.dep}; echo "${list##*/}"; fi
    done | newest)
    echo "${found:-$kernel}"
}
next_kernel=$(boots_next)
module_of() { # the file of the main module for kernel $1, the one as old as the user space first
    files=$(find "/lib/modules/$1/updates" "/lib/modules/$1/extra" "/lib/modules/$1/misc" \
        "/lib/modules/$1/kernel/drivers/video" "/lib/modules/$1"/kernel/nvidia* -name 'nvidia*.ko*' 2>/dev/null |
        grep -E '/nvidia(-current|-tesla|-legacy-[0-9]+xx|-[0-9]+|-srv|-server)*(-open)?\.ko(\.(xz|zst|gz))?$' | sort -u)
    best=
    for file in $files; do
        if [ -z "$best" ] || [ "$(modinfo -F version "$file" 2>/dev/null)" = "$version" ]; then best=$file; fi
    done
    echo "$best"
}
version_of() { if [ -n "$1" ]; then modinfo -F version "$1" 2>/dev/null; fi; }
flavour_of() {
    if [ -n "$1" ]; then
        case $(modinfo -F license "$1" 2>/dev/null) in *GPL*) echo open ;; NVIDIA*) echo proprietary ;; esac
    fi
}
file_running=$(module_of "$kernel")
file_next=$file_running
if [ "$next_kernel" != "$kernel" ]; then file_next=$(module_of "$next_kernel"); fi
module_running=$(version_of "$file_running")
module_next=$(version_of "$file_next")
module_flavour=$(flavour_of "${file_next:-$file_running}")
flavour=$module_flavour
if [ -z "$flavour" ] && [ -n "$packages" ]; then
    case " $packages" in
        *-open=* | *-open-[0-9]* | *" nvidia-open"* | *-open-kernel-*) flavour=open ;;
        *dkms* | *nvidia-kernel-* | *linux-modules-nvidia-*) flavour=proprietary ;;
    esac
fi
loaded=$(cat /sys/module/nvidia/version 2>/dev/null)
headers=no
if [ -d "/lib/modules/$next_kernel/build/" ]; then headers=yes; fi
dkms=
if command -v dkms >/dev/null 2>&1; then
    dkms=$(timeout 2 dkms status 2>/dev/null | grep -i '^nvidia' | sed 's/$/; /' | tr -d '\n' | sed 's/; $//')
fi
modules_package=no # one that should have brought a module for the kernel that boots next
case " $packages" in *dkms*=* | *"-$next_kernel="*) modules_package=yes ;; esac

# --- a .run installation: files where drivers live that no package owns -----------------------------
run_file=no
run_traces=
for file in /usr/bin/nvidia-uninstall /usr/bin/nvidia-installer /usr/bin/nvidia-smi \
    /usr/lib/x86_64-linux-gnu/libcuda.so.1 /usr/lib/aarch64-linux-gnu/libcuda.so.1 /usr/lib64/libcuda.so.1; do
    if [ -e "$file" ]; then
        real=$(readlink -f "$file")
        owner=$(dpkg-query -S "$file" "$real" 2>/dev/null | grep -v '^diversion ')
        if [ -z "$owner" ]; then run_file=yes; run_traces="$run_traces $file"; fi
    fi
done

# --- package sources -------------------------------------------------------------------------------
list_files() { for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    if [ -r "$list" ]; then echo "$list"; fi; done; }
NVIDIA_REPOSITORY='^[^#]*(developer\.download\.nvidia\.com/compute/(cuda|machine-learning)|/compute/cuda/repos/)'
ours=/etc/apt/sources.list.d/dlrig-nvidia.sources
enabled() { ! grep -qiE '^Enabled: *(no|false)' "$1"; }
sources= legacy= lists=0
system=$(sed -n 's/^ID=//p' /etc/os-release 2>/dev/null | tr -d '"')
components=$(list_files | while read -r list; do
    if enabled "$list"; then sed -n 's/^Components://p; s/^deb[ \t]\(.*\)/\1/p' "$list"; fi; done | tr '\n' ' ')
case "$system: $components " in
    ubuntu:*" restricted "* | ubuntu:*" multiverse "*) sources=ubuntu ;;
    debian:*" non-free "*) sources=debian-nonfree ;;
esac
for list in $(list_files); do
    if enabled "$list" && { [ "$list" = "$ours" ] || grep -qE "$NVIDIA_REPOSITORY" "$list"; }; then
        lists=$((lists + 1))
        case " $sources " in *" nvidia "*) ;; *) sources="$sources nvidia" ;; esac
        # What cuda-keyring and dlrig write names its key.
        if ! grep -qiE 'signed-by' "$list" || grep -q 'machine-learning' "$list"; then legacy="$legacy $list"; fi
    fi
done
if [ "$lists" -gt 1 ]; then
    for list in $(list_files); do # of several, the keyring package's or dlrig's own is kept
        if grep -qE "$NVIDIA_REPOSITORY" "$list" && [ "$list" != "$ours" ] && ! grep -q 'cuda-archive-keyring' "$list"; then
            case " $legacy " in *" $list "*) ;; *) legacy="$legacy $list" ;; esac
        fi
    done
fi
for key in /etc/apt/trusted.gpg.d/*cuda* /etc/apt/trusted.gpg.d/*nvidia* /etc/apt/trusted.gpg.d/7fa2af80* /etc/apt/trusted.gpg.d/3bf863cc*; do
    case $key in *container* | *docker*) ;; *) if [ -e "$key" ]; then legacy="$legacy $key"; fi ;; esac
done

# --- who shows a picture with it ----------------------------------------------------------------------
display=
count=$(cat /sys/module/nvidia_drm/refcnt 2>/dev/null)
if [ "${count:-0}" -gt 0 ] 2>/dev/null; then display=nvidia_drm; fi
for comm in /proc/[0-9]*/comm; do
    read -r name <"$comm" 2>/dev/null || continue
    case $name in
        Xorg | X | Xwayland | gnome-shell | kwin_* | sway | weston | mutter | cinnamon | cosmic-comp | Hyprland | labwc | wayfire)
            for file in "${comm%/comm}"/fd/*; do
                device=$(readlink "$file" 2>/dev/null)
                case $device in
                    /dev/nvidia[0-9]* | /dev/nvidiactl | /dev/nvidia-modeset) display="$display $name"; break ;;
                    /dev/dri/card* | /dev/dri/renderD*)
                        if [ "$(cat "/sys/class/drm/${device##*/}/device/vendor" 2>/dev/null)" = 0x10de ]; then
                            display="$display $name"; break
                        fi ;;
                esac
            done ;;
    esac
done
display=$(printf '%s\n' $display | sort -u | words)

# --- the rest --------------------------------------------------------------------------------------------
secure_boot=unknown
variable=/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
if command -v mokutil >/dev/null 2>&1; then
    case $(timeout 2 mokutil --sb-state 2>/dev/null) in *"SecureBoot enabled"*) secure_boot=on ;; *"SecureBoot disabled"*) secure_boot=off ;; esac
fi
if [ "$secure_boot" = unknown ]; then
    if [ ! -d /sys/firmware/efi ]; then secure_boot=off
    elif [ -r "$variable" ]; then # four bytes of attributes, one of value
        case $(od -An -tu1 -j4 -N1 "$variable" 2>/dev/null | tr -d ' ') in 1) secure_boot=on ;; 0) secure_boot=off ;; esac
    fi
fi
sets=$(ls -1t "$records"/sets/*/set.json 2>/dev/null | while read -r file; do
    folder=${file%/set.json}
    whole=yes
    [ -s "$folder/SHA256SUMS" ] || whole=no
    while read -r _sum deb; do
        [ -s "$folder/$deb" ] || whole=no
    done <"$folder/SHA256SUMS"
    if [ $whole = yes ]; then echo "${folder##*/}"; fi
done 2>/dev/null | words)
nvswitch=no
for device in /sys/bus/pci/devices/*; do
    if [ "$(cat "$device/vendor" 2>/dev/null)" = 0x10de ]; then
        case $(cat "$device/class" 2>/dev/null) in 0x0680*) nvswitch=yes ;; esac
    fi
done
toolkits=$({
    printf '%s\n' "$everything" | awk -F'|' '
        substr($1, 2, 1) != "i" { next }
        $2 ~ /^cuda-toolkit-[0-9]+-[0-9]+$/ { v = $2; sub(/^cuda-toolkit-/, "", v); sub(/-/, ".", v); print v "=/usr/local/cuda-" v }
        $2 == "nvidia-cuda-toolkit" { split($3, part, "."); print part[1] "." part[2] + 0 "=/usr" }'
    for compiler in /usr/local/cuda-[0-9]*.[0-9]*/bin/nvcc; do
        if [ -e "$compiler" ]; then folder=${compiler%/bin/nvcc}; echo "${folder#/usr/local/cuda-}=$folder"; fi
    done
} | sort -u | words)
persistence=absent
case $(timeout 2 systemctl is-enabled nvidia-persistenced.service 2>/dev/null) in
    enabled* | static | alias | indirect | linked* | generated) persistence=enabled ;;
    disabled | masked*) persistence=disabled ;;
esac

# --- what all that makes -------------------------------------------------------------------------------
class=managed why=
if [ -z "$packages" ]; then
    if [ $run_file = yes ]; then
        class=unmanaged why="a driver that no package owns (NVIDIA's .run installer):$run_traces"
    elif [ -z "$module_next$module_running" ]; then class=missing
    else class=unmanaged why="a kernel module that no package owns: ${file_next:-$file_running}"; fi
elif [ $run_file = yes ] && [ -z "$half" ]; then
    class=mixed why="packages of a driver, and files of another that no package owns:$run_traces"
elif [ "${branches#* }" != "$branches" ]; then class=mixed why="packages of several branches: $branches"
elif [ "${origins#* }" != "$origins" ]; then class=mixed why="packages from several sources: $origins"
elif [ -n "$half" ]; then class=broken why="packages that are unpacked, but not configured: $half"
elif [ -n "$version" ] && [ -z "$module_next" ] && { [ $modules_package = yes ] || [ $headers = yes ]; }; then
    class=broken why="the driver $version is installed, but has no kernel module for $next_kernel"
elif [ -n "$version" ] && [ -n "$module_next" ] && [ "$version" != "$module_next" ]; then
    class=broken why="the module for $next_kernel is of version $module_next, the libraries of $version"
fi
say class "$class"
say why "$why"
say packages "$packages"
say half "$half"
say version "$version"
say flavour "$flavour"
say loaded "$loaded"
say kernel "$kernel"
say next_kernel "$next_kernel"
say module_running "$module_running"
say module_next "$module_next"
say module_flavour "$module_flavour"
say headers "$headers"
say dkms "$dkms"
say held "$held"
say holds_other "$holds_other"
say sources "$(printf '%s\n' $sources | words)"
say legacy "$(printf '%s\n' $legacy | sort -u | words)"
say run_file "$run_file"
say display "$display"
say secure_boot "$secure_boot"
say sets "$sets"
say nvswitch "$nvswitch"
say toolkits "$toolkits"
say persistence "$persistence"
say record "$(cat $records/driver.json 2>/dev/null)"
say upgrade "$(cat $records/upgrade.json 2>/dev/null)"
