package event

// The catalogue: one line of facts per event. The C header, the documentation and "tocsin events" come from here.
// Names, arguments and their order are Tracee's, so that its rules and recordings fit. Ids are private: append,
// or renumber and regenerate, as you like.
var catalogue = []Def{
	// Processes
	{
		ID: 1, Name: "sched_process_fork", Sets: []string{"proc"}, Doc: "A process or thread was created.",
		Proto: "int parent_tid, int parent_ns_tid, int parent_pid, int parent_ns_pid, int child_tid, int child_ns_tid, int child_pid, int child_ns_pid, unsigned long start_time",
	},
	{
		ID: 2, Name: "sched_process_exec", Sets: []string{"proc"}, Doc: "A process started to run a program.",
		Proto: "const char* cmdpath, const char* pathname, const char*const* argv, const char*const* env:environ, dev_t dev, unsigned long inode, int invoked_from_kernel, unsigned long ctime, umode_t stdin_type:mode, umode_t inode_mode:mode, const char* interp, const char* interpreter_pathname, dev_t interpreter_dev, unsigned long interpreter_inode, unsigned long interpreter_ctime, const char* stdin_path, const char* prev_comm, const char* pwd",
	},
	{
		ID: 3, Name: "sched_process_exit", Sets: []string{"proc"}, Doc: "A thread ended; process_group_exit marks the last one of its process.",
		Proto: "long exit_code, bool process_group_exit, int signal_code",
	},
	{
		ID: 4, Name: "execve", Sets: []string{"proc", "syscalls"}, Doc: "System call execve.",
		Proto: "const char* pathname, const char*const* argv, const char*const* envp:environ",
	},
	{
		ID: 5, Name: "execveat", Sets: []string{"proc", "syscalls"}, Doc: "System call execveat.",
		Proto: "int dirfd, const char* pathname, const char*const* argv, const char*const* envp:environ, int flags",
	},
	{
		ID: 6, Name: "security_bprm_check", Sets: []string{"proc", "lsm"}, Doc: "A program is about to be executed.",
		Proto: "const char* pathname, dev_t dev, unsigned long inode, const char*const* argv, const char*const* envp:environ",
	},
	{
		ID: 7, Name: "process_execute_failed", Sets: []string{"proc"}, Doc: "A program could not be executed.",
		Proto: "int dirfd, int flags, const char* pathname, const char* binary.path, dev_t binary.device_id, unsigned long binary.inode_number, unsigned long binary.ctime, umode_t binary.inode_mode:mode, const char* interpreter_path, umode_t stdin_type:mode, const char* stdin_path, int kernel_invoked, const char*const* argv, const char*const* envp:environ",
	},
	{
		ID: 8, Name: "ptrace", Sets: []string{"proc", "syscalls"}, Doc: "System call ptrace: a process traces, reads or changes another.",
		Proto: "int request:ptrace, pid_t pid, void* addr, void* data",
	},
	{
		ID: 9, Name: "process_vm_writev", Sets: []string{"proc", "syscalls"}, Doc: "System call process_vm_writev: memory of another process is written.",
		Proto: "pid_t pid, void* local_iov, unsigned long liovcnt, void* remote_iov, unsigned long riovcnt, unsigned long flags",
	},
	{
		ID: 10, Name: "process_vm_readv", Sets: []string{"proc", "syscalls"}, Doc: "System call process_vm_readv: memory of another process is read.",
		Proto: "pid_t pid, void* local_iov, unsigned long liovcnt, void* remote_iov, unsigned long riovcnt, unsigned long flags",
	},
	{
		ID: 11, Name: "prctl", Sets: []string{"proc", "syscalls"}, Doc: "System call prctl.",
		Proto: "int option:prctl, unsigned long arg2, unsigned long arg3, unsigned long arg4, unsigned long arg5",
	},
	{ID: 12, Name: "kill", Sets: []string{"proc", "syscalls"}, Doc: "System call kill.", Proto: "pid_t pid, int sig"},
	{
		ID: 13, Name: "memfd_create", Sets: []string{"fs", "syscalls"}, Doc: "System call memfd_create: a file that has no path.",
		Proto: "const char* name, unsigned int flags",
	},

	// Credentials, namespaces, containers
	{ID: 20, Name: "setuid", Sets: []string{"creds", "syscalls"}, Doc: "System call setuid.", Proto: "uid_t uid"},
	{ID: 21, Name: "setresuid", Sets: []string{"creds", "syscalls"}, Doc: "System call setresuid.", Proto: "uid_t ruid, uid_t euid, uid_t suid"},
	{ID: 22, Name: "setgid", Sets: []string{"creds", "syscalls"}, Doc: "System call setgid.", Proto: "gid_t gid"},
	{
		ID: 23, Name: "commit_creds", Sets: []string{"creds"}, Doc: "A task's credentials changed.",
		Proto: "slim_cred_t old_cred, slim_cred_t new_cred, int syscall:syscall",
	},
	{ID: 24, Name: "cap_capable", Sets: []string{"creds"}, Doc: "The kernel checked a capability.", Proto: "int cap:cap, int syscall:syscall"},
	{ID: 25, Name: "setns", Sets: []string{"proc", "syscalls"}, Doc: "System call setns: a namespace is entered.", Proto: "int fd, int nstype:clone"},
	{ID: 26, Name: "unshare", Sets: []string{"proc", "syscalls"}, Doc: "System call unshare: a namespace is left for a new one.", Proto: "int flags:clone"},
	{
		ID: 27, Name: "switch_task_ns", Sets: []string{"proc"}, Doc: "A task's namespaces changed; only those that did are present.",
		Proto: "pid_t pid, u32 new_mnt, u32 new_pid, u32 new_uts, u32 new_ipc, u32 new_net, u32 new_cgroup",
	},
	{
		ID: 28, Name: "cgroup_mkdir", Sets: []string{"containers"}, Doc: "A control group was made.",
		Proto: "u64 cgroup_id, const char* cgroup_path, u32 hierarchy_id",
	},
	{
		ID: 29, Name: "cgroup_rmdir", Sets: []string{"containers"}, Doc: "A control group was removed.",
		Proto: "u64 cgroup_id, const char* cgroup_path, u32 hierarchy_id",
	},
	{
		ID: 30, Name: "container_create", Sets: []string{"containers"}, Doc: "A container was created.", Derived: []string{"cgroup_mkdir"},
		Proto: "const char* runtime, const char* container_id, unsigned long ctime, const char* container_image, const char* container_name, const char* pod_name, const char* pod_namespace, const char* pod_uid, const char* container_image_digest, bool pod_sandbox",
	},
	{
		ID: 31, Name: "container_remove", Sets: []string{"containers"}, Doc: "A container was removed.", Derived: []string{"cgroup_rmdir"},
		Proto: "const char* runtime, const char* container_id",
	},
	{
		ID: 32, Name: "existing_container", Sets: []string{"containers"}, Doc: "A container that ran before the sensor started.", Derived: []string{"cgroup_mkdir"},
		Proto: "const char* runtime, const char* container_id, unsigned long ctime, const char* container_image, const char* container_name, const char* pod_name, const char* pod_namespace, const char* pod_uid, const char* container_image_digest, bool pod_sandbox",
	},

	// Files
	{
		ID: 40, Name: "openat", Sets: []string{"fs", "syscalls"}, Doc: "System call openat.",
		Proto: "int dirfd, const char* pathname, int flags:open, mode_t mode",
	},
	{
		ID: 41, Name: "security_file_open", Sets: []string{"fs", "lsm"}, Doc: "A file was opened; pathname is resolved by the kernel.",
		Proto: "const char* pathname, int flags:open, dev_t dev, unsigned long inode, unsigned long ctime, const char* syscall_pathname, int syscall:syscall",
	},
	{
		ID: 42, Name: "security_inode_unlink", Sets: []string{"fs", "lsm"}, Doc: "A file is removed.",
		Proto: "const char* pathname, unsigned long inode, dev_t dev, unsigned long ctime",
	},
	{
		ID: 43, Name: "security_inode_rename", Sets: []string{"fs", "lsm"}, Doc: "A file is renamed.",
		Proto: "const char* old_path, const char* new_path",
	},
	{
		ID: 44, Name: "security_inode_mknod", Sets: []string{"fs", "lsm"}, Doc: "A special file is made.",
		Proto: "const char* file_name, umode_t mode:mode, dev_t dev",
	},
	{
		ID: 45, Name: "security_inode_symlink", Sets: []string{"fs", "lsm"}, Doc: "A symbolic link is made.",
		Proto: "const char* linkpath, const char* target",
	},
	{
		ID: 46, Name: "magic_write", Sets: []string{"fs"}, Doc: "The first bytes of a file were written.",
		Proto: "const char* pathname, bytes bytes, dev_t dev, unsigned long inode",
	},
	{
		ID: 47, Name: "file_modification", Sets: []string{"fs"}, Doc: "A file's content was changed; told at most once a second for an open file and process.",
		Proto: "const char* file_path, dev_t dev, unsigned long inode, unsigned long old_ctime, unsigned long new_ctime",
	},
	{
		ID: 48, Name: "fchmodat", Sets: []string{"fs", "syscalls"}, Doc: "System call fchmodat.",
		Proto: "int dirfd, const char* pathname, mode_t mode:mode, int flags",
	},
	{
		ID: 49, Name: "security_sb_mount", Sets: []string{"fs", "lsm"}, Doc: "A file system is mounted.",
		Proto: "const char* dev_name, const char* path, const char* type, unsigned long flags:mount",
	},
	{
		ID: 50, Name: "security_sb_umount", Sets: []string{"fs", "lsm"}, Doc: "A file system is unmounted.",
		Proto: "const char* mountpoint, const char* type, int flags",
	},
	{
		ID: 51, Name: "dirty_pipe_splice", Sets: []string{"fs"}, Doc: "A splice left a pipe buffer that may be merged (CVE-2022-0847).",
		Proto: "unsigned long inode_in, umode_t in_file_type:mode, const char* in_file_path, loff_t exposed_data_start_offset, size_t exposed_data_len, unsigned long inode_out, unsigned int out_pipe_last_buffer_flags",
	},

	// Memory
	{
		ID: 60, Name: "mem_prot_alert", Sets: []string{"proc"}, Doc: "Memory became executable in a way that unpacked or injected code does.",
		Proto: "u32 alert:memalert, void* addr, size_t len, int prot:prot, int prev_prot:prot, const char* pathname, dev_t dev, unsigned long inode, u64 ctime",
	},
	{
		ID: 61, Name: "security_mmap_file", Sets: []string{"fs", "lsm"}, Doc: "A file is mapped into memory.",
		Proto: "const char* pathname, int flags:open, dev_t dev, unsigned long inode, unsigned long ctime, int prot:prot, int mmap_flags:mmap, int syscall:syscall",
	},
	{
		ID: 62, Name: "security_file_mprotect", Sets: []string{"proc", "lsm"}, Doc: "The protection of memory is changed.",
		Proto: "const char* pathname, int prot:prot, unsigned long ctime, int prev_prot:prot, void* addr, size_t len, int pkey",
	},
	{
		ID: 63, Name: "shared_object_loaded", Sets: []string{"fs"}, Doc: "A shared library was mapped as code.",
		Proto: "const char* pathname, int flags:open, dev_t dev, unsigned long inode, unsigned long ctime",
	},

	// Network
	{
		ID: 70, Name: "security_socket_create", Sets: []string{"net", "lsm"}, Doc: "A socket is made.",
		Proto: "int family:domain, int type:socktype, int protocol, int kern",
	},
	{
		ID: 71, Name: "security_socket_connect", Sets: []string{"net", "lsm"}, Doc: "A socket is connected to an address.",
		Proto: "int sockfd, struct sockaddr* remote_addr, int type:socktype",
	},
	{
		ID: 72, Name: "security_socket_bind", Sets: []string{"net", "lsm"}, Doc: "A socket is bound to an address.",
		Proto: "int sockfd, struct sockaddr* local_addr",
	},
	{
		ID: 73, Name: "security_socket_listen", Sets: []string{"net", "lsm"}, Doc: "A socket starts to accept connections.",
		Proto: "int sockfd, struct sockaddr* local_addr, int backlog",
	},
	{
		ID: 74, Name: "security_socket_accept", Sets: []string{"net", "lsm"}, Doc: "A connection is accepted.",
		Proto: "int sockfd, struct sockaddr* local_addr",
	},
	{
		ID: 75, Name: "connect", Sets: []string{"net", "syscalls"}, Doc: "System call connect.",
		Proto: "int sockfd, struct sockaddr* addr, int addrlen",
	},
	{
		ID: 76, Name: "socket_dup", Sets: []string{"net"}, Doc: "A descriptor of a connected socket was duplicated.",
		Proto: "int oldfd, int newfd, struct sockaddr* remote_addr",
	},
	{
		ID: 77, Name: "net_tcp_connect", Sets: []string{"net"}, Doc: "A TCP connection is opened, with the names its address was resolved from.", Derived: []string{"security_socket_connect", "net_packet_dns_response"},
		Proto: "const char* dst, int dst_port, const char*const* dst_dns",
	},
	{
		ID: 78, Name: "net_packet_dns_request", Sets: []string{"net"}, Doc: "A DNS query was sent.",
		Proto: "trace.PktMeta metadata, []trace.DnsQueryData dns_questions",
	},
	{
		ID: 79, Name: "net_packet_http_request", Sets: []string{"net"}, Doc: "An HTTP request was sent in the clear.",
		Proto: "trace.PktMeta metadata, trace.ProtoHTTPRequest http_request",
	},
	{
		ID: 80, Name: "net_packet_dns_response", Sets: []string{"net"}, Doc: "An answer to a DNS query came.",
		Proto: "trace.PktMeta metadata, []trace.DnsResponseData dns_response",
	},

	// Kernel
	{
		ID: 90, Name: "init_module", Sets: []string{"kernel", "syscalls"}, Doc: "System call init_module: a kernel module from memory.",
		Proto: "void* module_image, unsigned long len, const char* param_values",
	},
	{
		ID: 91, Name: "finit_module", Sets: []string{"kernel", "syscalls"}, Doc: "System call finit_module: a kernel module from a file.",
		Proto: "int fd, const char* param_values, int flags",
	},
	{
		ID: 92, Name: "security_kernel_read_file", Sets: []string{"kernel", "lsm"}, Doc: "The kernel reads a file for its own use: a module, firmware, a new kernel.",
		Proto: "const char* pathname, dev_t dev, unsigned long inode, int type:kread, unsigned long ctime",
	},
	{
		ID: 93, Name: "module_load", Sets: []string{"kernel"}, Doc: "A kernel module was loaded.", Urgent: true,
		Proto: "const char* name, const char* version, const char* src_version, const char* pathname, dev_t dev, unsigned long inode, unsigned long ctime",
	},
	{
		ID: 94, Name: "do_init_module", Sets: []string{"kernel"}, Doc: "A kernel module is initialised.", Urgent: true,
		Proto: "const char* name, const char* version, const char* src_version, void* prev, void* next, void* prev_next, void* next_prev",
	},
	{ID: 95, Name: "security_bpf", Sets: []string{"kernel", "lsm"}, Doc: "System call bpf, after the kernel's own checks.", Proto: "int cmd:bpfcmd"},
	{
		ID: 96, Name: "bpf_attach", Sets: []string{"kernel"}, Doc: "A BPF program was attached to a probe or tracepoint.",
		Proto: "int prog_type:progtype, const char* prog_name, u32 prog_id, []string prog_helpers, const char* symbol_name, u64 symbol_addr, int attach_type",
	},
	{
		ID: 97, Name: "kprobe_attach", Sets: []string{"kernel"}, Doc: "A kprobe was registered.",
		Proto: "const char* symbol_name, void* pre_handler_addr, void* post_handler_addr",
	},
	{
		ID: 98, Name: "call_usermodehelper", Sets: []string{"kernel"}, Doc: "The kernel starts a user program.",
		Proto: "const char* pathname, const char*const* argv, const char*const* envp:environ, int wait",
	},
	{
		ID: 99, Name: "hooked_syscall", Sets: []string{"kernel"}, Doc: "An entry of the system-call table does not lead to the kernel's function of a system call, or to another one than at first. A kernel that has the function x64_sys_call does not use the table itself: see ftrace_hook.",
		Proto: "const char* syscall, const char* address, const char* function, const char* owner",
	},
	{
		ID: 100, Name: "hooked_proc_fops", Sets: []string{"kernel"}, Doc: "Functions of files in /proc that the kernel itself has are not the kernel's.",
		Proto: "[]trace.HookedSymbolData hooked_fops_pointers",
	},
	{
		ID: 101, Name: "hooked_seq_ops", Sets: []string{"kernel"}, Doc: "Functions by which files in /proc list connections and modules are not the kernel's.",
		Proto: "map[string]trace.HookedSymbolData hooked_seq_ops",
	},
	{
		ID: 102, Name: "hidden_kernel_module", Sets: []string{"kernel"}, Doc: "A kernel module is loaded that the list of modules does not show.",
		Proto: "const char* address, const char* name, const char* srcversion",
	},
	{
		ID: 103, Name: "ftrace_hook", Sets: []string{"kernel"}, Doc: "A function of the kernel calls a module through ftrace. Kprobes, BPF programs, live patches and the kernel's tracers are not told.",
		Proto: "const char* symbol, const char* trampoline, const char* callback, off_t callback_offset, const char* callback_owner, const char* flags, unsigned long count",
	},
	{
		ID: 104, Name: "debugfs_create_file", Sets: []string{"kernel"}, Doc: "A file was made in debugfs.",
		Proto: "const char* file_name, const char* path, mode_t mode:mode, void* proc_ops_addr",
	},
	{
		ID: 105, Name: "suspicious_syscall_source", Sets: []string{"proc"}, Doc: "A system call came from memory that is not code of a file.",
		Proto: "int syscall:syscall, void* ip, const char* vma_type, void* vma_start, unsigned long vma_size, unsigned long vma_flags",
	},
	{
		ID: 106, Name: "stack_pivot", Sets: []string{"proc"}, Doc: "A system call was made while the stack pointer was outside the stack.",
		Proto: "int syscall:syscall, void* sp, const char* vma_type, void* vma_start, unsigned long vma_size, unsigned long vma_flags",
	},
}

func init() {
	register(catalogue)
	syscallEvents = makeSyscallEvents()
	register(syscallEvents)
}

// All returns every event of the catalogue, in catalogue order: what a selection of any event means. Other system calls are
// in Syscalls. The slice is shared: do not change it.
func All() []Def { return catalogue }
