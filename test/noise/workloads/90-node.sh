# What a Kubernetes node does by itself: unpacks images, mounts volumes, sets up networks, probes, rotates logs, collects garbage.
k=/var/lib/kubelet/pods/0f3c/volumes/kubernetes.io~projected/token
l=/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots
mkdir -p $k $l/1/fs/bin $l/2/fs $l/2/work $l/2/merged /opt/cni/bin /etc/cni/net.d /var/log/pods/default_web_0f3c/web /var/log/containers
# An image: a layer is unpacked, and mounted with one to write to.
mkdir -p /srv/layer/bin /srv/layer/etc && cp /bin/busybox /srv/layer/bin/ && ln -sf busybox /srv/layer/bin/sh
echo root:x:0:0::/root:/bin/sh > /srv/layer/etc/passwd
tar czf /srv/layer.tgz -C /srv/layer . && tar xzf /srv/layer.tgz -C $l/1/fs
mount -t tmpfs snapshots $l/2 && mkdir -p $l/2/fs $l/2/work $l/2/merged
mount -t overlay overlay -o lowerdir=$l/1/fs,upperdir=$l/2/fs,workdir=$l/2/work $l/2/merged
chroot $l/2/merged /bin/busybox true
# A projected volume, renewed the way the kubelet does it.
mount -t tmpfs token $k
for n in 1 2 3; do
  mkdir $k/..$n && echo token$n > $k/..$n/token && chmod 644 $k/..$n/token
  ln -s ..$n $k/..data_tmp && mv -T $k/..data_tmp $k/..data
  ln -sfn ..data/token $k/token
done
umount $k
# A network: plug-in, pair of interfaces, address.
cp /bin/busybox /opt/cni/bin/bridge && echo '{"cniVersion": "1.0.0", "name": "pods", "type": "bridge"}' > /etc/cni/net.d/10-pods.conflist
/opt/cni/bin/bridge true
ip netns add pod && ip link add veth0 type veth peer name eth0 netns pod && ip link set veth0 up && ip -n pod addr add 10.244.0.2/24 dev eth0
ip route; ip neigh; ip link del veth0; ip netns del pod
iptables-save > /srv/rules || true
iptables-restore --test < /srv/rules || true
# Health and metrics.
mkdir -p /srv/healthz && echo ok > /srv/healthz/index.html
busybox httpd -f -p 127.0.0.1:10248 -h /srv/healthz & h=$!
sleep 0.5
for n in $(seq 1 20); do curl -s -o /dev/null http://127.0.0.1:10248/; cat /proc/stat /proc/meminfo /proc/loadavg /proc/net/dev > /dev/null; done
kill $h
for p in /proc/[0-9]*; do cat $p/stat $p/cgroup $p/status; done > /dev/null 2>&1
find /sys/fs/cgroup -maxdepth 3 -name 'memory.*' | head -50 | xargs cat > /dev/null 2>&1
df /var/lib; du -sh /var/lib/containerd; lsblk; mount | grep overlay; sysctl net.ipv4.ip_forward kernel.panic vm.overcommit_memory
modprobe -n overlay; modprobe -n br_netfilter
# Logs.
ln -sf /var/log/pods/default_web_0f3c/web/0.log /var/log/containers/web.log
seq 1 5000 > /var/log/pods/default_web_0f3c/web/0.log
mv /var/log/pods/default_web_0f3c/web/0.log /var/log/pods/default_web_0f3c/web/0.log.1 && gzip /var/log/pods/default_web_0f3c/web/0.log.1
find /var/log/pods -name '*.gz' -mtime +0 -delete
# Garbage.
umount $l/2/merged; umount $l/2; rm -rf $l /var/lib/kubelet/pods/0f3c /var/log/pods/default_web_0f3c /opt/cni/bin/bridge /etc/cni/net.d/10-pods.conflist
