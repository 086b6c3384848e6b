# command:package, for setup.sh: what the guest needs on the machine. Only tools/guest and tools/check --live install it.
guest_needs=(qemu-system-x86_64:qemu-system-x86 busybox:busybox-static modprobe:kmod)
