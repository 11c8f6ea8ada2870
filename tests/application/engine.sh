#!/bin/sh
# A Docker daemon directly on this machine, whose control groups the lab's hosts do not have: on a copy of a tree of the lab, with a
# disk and a network of its own. Ends with the process. Arguments: a folder of ours, the tree, the name of its control group.
set -eu
cd "$1"
mkdir disk root
truncate --size=3G disk.img
mkfs.ext4 -q -m 0 disk.img
mount -o loop disk.img disk
mkdir disk/upper disk/work disk/docker
mount -t overlay overlay -o "lowerdir=$2,upperdir=disk/upper,workdir=disk/work" root
mount -t proc proc root/proc
mount --rbind /sys root/sys
mount --rbind /dev root/dev
mount -t tmpfs tmpfs root/run
mkdir -p root/var/lib/docker root/opt/market-app
mount --bind disk/docker root/var/lib/docker
ip link set lo up
echo '{}' >root/etc/limits.json
exec chroot root dockerd --config-file /etc/limits.json --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$3" --ip6tables=false \
    --log-level warn
