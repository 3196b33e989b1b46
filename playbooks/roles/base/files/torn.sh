# Packages of NVIDIA's driver whose unpacking was cut short, in a version that no archive has any more: apt then does
# nothing at all, for any package. They are of no use as they are; the role nvidia_driver installs what is wanted.
# Others than the driver's are left for a person. Apt names one at a time.
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    name=$(LC_ALL=C apt-get check 2>&1 |
        sed -n "s/.*The package \([^ :]*\)[^ ]* needs to be reinstalled, but I can't find an archive.*/\1/p" | head -n 1)
    case $name in
    nvidia-* | libnvidia-* | linux-*-nvidia-* | xserver-xorg-video-nvidia* | firmware-nvidia-* | cuda-drivers*) ;;
    *) exit 0 ;;
    esac
    dpkg --force-remove-reinstreq --force-depends --remove "$name" || exit
    echo "DLRIG-REMOVED $name"
done
