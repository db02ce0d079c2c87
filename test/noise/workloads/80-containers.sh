# Containers start, serve, are probed and stop; and what a node's agents do around them.
mkdir -p /srv/b/rootfs/bin /srv/b/rootfs/proc /srv/b/rootfs/tmp /srv/b/rootfs/etc /srv/b/rootfs/dev /srv/b/rootfs/sys && cd /srv/b
cp /bin/busybox rootfs/bin/
for a in sh sleep cat ls httpd wget echo seq kill test true; do ln -sf busybox rootfs/bin/$a; done
echo healthy > rootfs/tmp/healthy
runc spec
sed -i 's/"terminal": true/"terminal": false/; s/"readonly": true/"readonly": false/' config.json
sed -i 's#"args": \[#"args": ["sh","-c","httpd -f -p 8080 -h /tmp \& sleep 6; exit 0",#; s#,\s*"sh"\s*\]#]#' config.json
tr -d '\n' < config.json | sed 's#"exit 0",\s*"sh"#"exit 0"#; s#0",\s*"sh"\s*\]#0"]#; s#"linux": {#"linux": {"cgroupsPath": "/docker/ID",#' > config.tmpl
for n in 1 2 3; do
  id=$(printf '%064x' $((n * 7919)))
  sed "s/ID/$id/" config.tmpl > config.json
  runc --root /srv/state run $id & r=$!
  sleep 1.5
  for p in 1 2 3; do
    runc --root /srv/state exec $id cat /tmp/healthy
    runc --root /srv/state exec $id sh -c 'wget -q -O - http://127.0.0.1:8080/healthy'
  done
  runc --root /srv/state events --stats $id
  runc --root /srv/state ps $id; runc --root /srv/state state $id
  # A network plug-in and a metrics agent on the node.
  pid=$(runc --root /srv/state state $id | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')
  nsenter -t $pid -n ip link
  cat /proc/$pid/cgroup /proc/$pid/status /proc/$pid/net/dev
  mkdir -p /srv/vol$n && mount -t tmpfs vol /srv/vol$n && echo token > /srv/vol$n/token && umount /srv/vol$n
  runc --root /srv/state kill $id KILL || true
  wait $r
  runc --root /srv/state delete -f $id || true
done
iptables-save; ip netns add noise; ip netns exec noise ip link; ip netns del noise
cat /sys/fs/cgroup/*/cgroup.procs
