# Containers start, serve, are probed and stop; and what a node's agents do around them.
mkdir -p /srv/b/rootfs/bin /srv/b/rootfs/proc /srv/b/rootfs/tmp /srv/b/rootfs/etc /srv/b/rootfs/dev /srv/b/rootfs/sys && cd /srv/b
cp /bin/busybox rootfs/bin/
for a in sh sleep cat ls httpd wget echo seq kill test true; do ln -sf busybox rootfs/bin/$a; done
echo healthy > rootfs/tmp/healthy
for n in 1 2 3; do
  id=$(printf '%064x' $((n * 7919)))
  cat > config.json <<X
{"ociVersion": "1.0.2", "hostname": "pod$n", "root": {"path": "rootfs"},
 "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin"], "args": ["sh", "-c", "ip link set lo up; httpd -f -p 8080 -h /tmp & sleep 5"],
  "capabilities": {"bounding": ["CAP_CHOWN", "CAP_NET_BIND_SERVICE"], "effective": ["CAP_CHOWN", "CAP_NET_BIND_SERVICE"], "permitted": ["CAP_CHOWN", "CAP_NET_BIND_SERVICE"]}},
 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}, {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
  {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance"]},
  {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]}],
 "linux": {"cgroupsPath": "/docker/$id", "resources": {},
  "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/sched_debug"], "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
  "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"}]}}
X
  runc --root /srv/state run $id & r=$!
  sleep 1.5
  for p in 1 2 3; do
    runc --root /srv/state exec $id cat /tmp/healthy
    runc --root /srv/state exec $id sh -c 'wget -q -O - http://127.0.0.1:8080/healthy'
  done
  runc --root /srv/state events --stats $id > /dev/null
  runc --root /srv/state ps $id; runc --root /srv/state list
  # A network plug-in and a metrics agent on the node.
  pid=$(runc --root /srv/state state $id | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')
  nsenter -t $pid -n ip link
  cat /proc/$pid/cgroup /proc/$pid/status /proc/$pid/net/dev > /dev/null
  mkdir -p /srv/vol$n && mount -t tmpfs vol /srv/vol$n && echo token > /srv/vol$n/token && umount /srv/vol$n
  runc --root /srv/state kill $id KILL || true
  wait $r
  runc --root /srv/state delete -f $id || true
done
ip netns add noise; ip netns exec noise ip link; ip netns del noise
cat /sys/fs/cgroup/*/cgroup.procs > /dev/null
