#!/bin/busybox sh
# The first process of a test kernel. It moves the initramfs into a tmpfs, because runc's
# pivot_root does not work from the initial root file system, mounts what a normal machine
# has, and runs the program: its output goes to the second serial port, its exit code to the
# console. If systemd was brought along, that becomes the first process and runs the program.
PATH=/sbin:/usr/sbin:/bin:/usr/bin
export PATH
case "$1" in
moved)
	/bin/busybox mount -t proc none /proc
	/bin/busybox --install -s /bin
	mount -t devtmpfs none /dev
	mkdir -p /dev/pts /dev/shm
	mount -t devpts none /dev/pts
	mount -t tmpfs none /dev/shm
	mount -t sysfs none /sys
	mount -t tracefs none /sys/kernel/tracing
	mount -t debugfs none /sys/kernel/debug
	mount -t securityfs none /sys/kernel/security
	mount -t bpf none /sys/fs/bpf
	mount -t cgroup2 none /sys/fs/cgroup
	for c in $(cat /sys/fs/cgroup/cgroup.controllers); do echo +$c >/sys/fs/cgroup/cgroup.subtree_control; done 2>/dev/null
	chmod 1777 /tmp /var/tmp
	ln -sf /proc/self/fd /dev/fd
	ln -sf /proc/self/fd/0 /dev/stdin
	ln -sf /proc/self/fd/1 /dev/stdout
	ln -sf /proc/self/fd/2 /dev/stderr
	ip link set lo up
	hostname vmtest
	ulimit -l unlimited
	[ -x /lib/systemd/systemd ] && exec /lib/systemd/systemd
	;;
service) ;; # systemd has started us
*)
	/bin/busybox mount -t tmpfs -o size=90% none /newroot
	for f in /*; do
		[ "$f" = /newroot ] || /bin/busybox cp -a "$f" /newroot/ || exec /bin/busybox poweroff -f
		case "$f" in /vmtest) /bin/busybox rm -rf "$f" ;; esac
	done
	exec /bin/busybox switch_root /newroot /init moved
	;;
esac
HOME=/root
export HOME
stty -F /dev/$vmtest_output raw -echo 115200
/bin/sh /vmtest/run </dev/null >/dev/$vmtest_output 2>&1
code=$?
# Closing waits until the last byte has left the port.
sync
echo "vmtest: exit $code"
poweroff -f
