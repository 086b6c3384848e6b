#!/bin/busybox sh
# The guest's first process, in the RAM disk: loads what it takes to see the machine's files, lays a file system in
# memory over them, and goes over to that. What is written there is gone with the guest; the shares `job` and `out` stay.
# The second half, as process 1 on the machine's own user land, is the job's boot script (job.py).
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
die() {
    echo "guest: $*"
    poweroff -f
}
while read -r module; do
    insmod "/modules/$module" || die "cannot load $module"
done </modules/order
share="trans=virtio,version=9p2000.L,msize=512000"
mount -t 9p -o "$share,ro,cache=loose" machine /lower || die "no share of the machine's files"
mount -t tmpfs -o size=75% tmpfs /upper
mkdir /upper/changed /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/changed,workdir=/upper/work overlay /root || die "no overlay"
for folder in proc sys dev run; do
    mkdir -p "/root/$folder"
done
mount -t tmpfs -o mode=755 tmpfs /root/run
mkdir -p /root/run/guest/job /root/run/guest/out /root/run/netns
mount -t 9p -o "$share" job /root/run/guest/job || die "no share for the job"
mount -t 9p -o "$share" out /root/run/guest/out || die "no share for the results"
for filesystem in proc sys dev; do
    mount -o move "/$filesystem" "/root/$filesystem"
done
exec switch_root /root /bin/sh /run/guest/job/boot
