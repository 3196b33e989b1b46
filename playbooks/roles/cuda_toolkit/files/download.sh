# Download packages and all that they need, while others use the package manager.
# download.sh FOLDER SECONDS PACKAGE…; FOLDER is this script's alone.
set -eu
folder=$1 limit=$2
shift 2
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
end=$(($(date +%s) + limit))

# A run that was cut off may still be downloading.
exec 9>"$folder/.running"
flock --timeout "$limit" 9

# What the system has already takes neither time nor room.
ln /var/cache/apt/archives/*.deb "$folder" 2>/dev/null || true

# Without apt's locks, and without its caches of lists, which others may be writing: nothing but FOLDER is changed.
until timeout "$limit" apt-get -o Debug::NoLocking=true -o Dir::Cache::Archives="$folder" \
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
    --download-only --yes --no-install-recommends install "$@" >"$folder/.log" 2>&1; do
    # A mirror that is being synchronised is whole again within minutes, and other runs read the lists anew.
    if ! grep -Eq "unexpected size|Mirror sync|Hash Sum mismatch|Failed to fetch" "$folder/.log" ||
        [ "$(date +%s)" -ge "$end" ]; then
        tail -n 15 "$folder/.log" | sed 's#//[^/[:space:]]*@#//***@#g' >&2
        exit 1
    fi
    sleep 20
done
