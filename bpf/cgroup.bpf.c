/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
//go:build ignore

/* Control groups, and through them containers: a runtime names the group after the container's id. */
#include "headers/sensor.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define ID_LEN 64
#define NAME_LEN 128

/*
 * Whether the name of a control group is a container's: it ends in 64 hexadecimal digits, ".scope" aside. The groups
 * of a container's monitor ("crio-conmon-<id>.scope") are not. ContainerID in containers.go does the same.
 */
static __always_inline bool names_container(const char *kname)
{
	char name[NAME_LEN + 8];
	long n = bpf_probe_read_kernel_str(name, NAME_LEN, kname);
	u32 len = n - 1;
	if (n <= ID_LEN || n >= NAME_LEN)
		return false;
	u32 tail = (len - 6) & (NAME_LEN - 1);
	if (name[tail] == '.' && name[(tail + 1) & (NAME_LEN - 1)] == 's' && name[(tail + 2) & (NAME_LEN - 1)] == 'c')
		len -= 6;
	if (len < ID_LEN || len >= NAME_LEN)
		return false;
	u32 start = len - ID_LEN;
	if (start >= 7 && name[(start - 7) & (NAME_LEN - 1)] == 'c' && name[(start - 6) & (NAME_LEN - 1)] == 'o' &&
	    name[(start - 2) & (NAME_LEN - 1)] == 'n' && name[(start - 3) & (NAME_LEN - 1)] == 'o')
		return false;
	for (u32 i = 0; i < ID_LEN; i++) {
		char c = name[(start + i) & (NAME_LEN - 1)];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return true;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_mkdir, struct cgroup *cgrp, const char *path)
{
	struct rec r;
	u64 id = BPF_CORE_READ(cgrp, kn, id);
	u32 hierarchy = BPF_CORE_READ(cgrp, root, hierarchy_id);

	if (hierarchy == cgroup_hierarchy) {
		struct container c = {};
		struct container *outer;
		/* self is the first member of its cgroup */
		u64 parent = BPF_CORE_READ(cgrp, self.parent, cgroup, kn, id);
		if (names_container(BPF_CORE_READ(cgrp, kn, name))) {
			c.root = id;
			bpf_map_update_elem(&containers, &id, &c, BPF_ANY);
			containers_changed();
		} else if ((outer = bpf_map_lookup_elem(&containers, &parent))) {
			c.root = outer->root;
			bpf_map_update_elem(&containers, &id, &c, BPF_ANY);
			containers_changed();
		}
	}
	if (!rec_begin(&r, EVENT_CGROUP_MKDIR, ARGC_CGROUP_MKDIR))
		return 0;
	put(r.s, ARG_CGROUP_MKDIR_CGROUP_ID, id);
	put_str(r.s, ARG_CGROUP_MKDIR_CGROUP_PATH, path, KERNEL);
	put(r.s, ARG_CGROUP_MKDIR_HIERARCHY_ID, hierarchy);
	rec_send(&r);
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(cgroup_rmdir, struct cgroup *cgrp, const char *path)
{
	struct rec r;
	u64 id = BPF_CORE_READ(cgrp, kn, id);
	u32 hierarchy = BPF_CORE_READ(cgrp, root, hierarchy_id);

	if (hierarchy == cgroup_hierarchy && !bpf_map_delete_elem(&containers, &id))
		containers_changed();
	if (!rec_begin(&r, EVENT_CGROUP_RMDIR, ARGC_CGROUP_RMDIR))
		return 0;
	put(r.s, ARG_CGROUP_RMDIR_CGROUP_ID, id);
	put_str(r.s, ARG_CGROUP_RMDIR_CGROUP_PATH, path, KERNEL);
	put(r.s, ARG_CGROUP_RMDIR_HIERARCHY_ID, hierarchy);
	rec_send(&r);
	return 0;
}
