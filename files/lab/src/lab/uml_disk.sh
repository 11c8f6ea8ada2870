# Makes a host's disk image from its tree: base, writable layer and the kernel's modules together. Arguments: root
# folder for the overlay, its lower, upper and work folders, folder of modules, image, its size.
set -eu
root=$1 lower=$2 upper=$3 work=$4 modules=$5 image=$6 size=$7
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$root"
mkdir -p "$root/usr/lib/modules"
mount --bind "$modules" "$root/usr/lib/modules"
mke2fs -q -t ext4 -d "$root" "$image.partial" "$size"
mv "$image.partial" "$image"
