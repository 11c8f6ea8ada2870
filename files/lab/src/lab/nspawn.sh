# Boots a host and boots it again whenever it asks for a reboot. Arguments: root folder for the overlay, its lower,
# upper and work folders, device mount or "", number of cgroup.procs files, those files, then systemd-nspawn's own.
# Everything mounted here is in a mount namespace that ends with the host.
set -eu
root=$1 lower=$2 upper=$3 work=$4 disk=$5 groups=$6
shift 6
while [ "$groups" -gt 0 ]; do
    echo $$ >"$1"
    shift
    groups=$((groups - 1))
done
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$root"
[ -z "$disk" ] || mount -o loop "$disk.img" "$disk"
# nspawn refuses a reboot unless its own folder is in memory.
mkdir -p /run/systemd/nspawn
mount -t tmpfs -o mode=755 tmpfs /run/systemd/nspawn
while :; do
    status=0
    "$@" || status=$?
    [ "$status" = 133 ] || exit "$status" # 133: the host asks for a reboot
done
