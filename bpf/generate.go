package bpf

// The C header comes from package event, the objects from the C sources by clang 14 with the headers of Debian's
// libbpf-dev 1.1. Objects are committed, so that building needs no clang; the same versions make the same bytes.

//go:generate go run ./internal/gen
//go:generate go tool bpf2go -strip llvm-strip -no-global-types -target amd64,arm64 -cflags "-O2 -g -Wall -Werror -mcpu=v2" -output-dir internal/objects -go-package objects Process process.bpf.c
//go:generate go tool bpf2go -strip llvm-strip -no-global-types -target amd64,arm64 -cflags "-O2 -g -Wall -Werror -mcpu=v2" -output-dir internal/objects -go-package objects Cgroup cgroup.bpf.c
//go:generate go tool bpf2go -strip llvm-strip -no-global-types -target amd64,arm64 -cflags "-O2 -g -Wall -Werror -mcpu=v2" -output-dir internal/objects -go-package objects Syscall syscall.bpf.c
//go:generate go tool bpf2go -strip llvm-strip -no-global-types -target amd64,arm64 -cflags "-O2 -g -Wall -Werror -mcpu=v2" -output-dir internal/objects -go-package objects File file.bpf.c
//go:generate go tool bpf2go -strip llvm-strip -no-global-types -target amd64,arm64 -cflags "-O2 -g -Wall -Werror -mcpu=v2" -output-dir internal/objects -go-package objects Socket socket.bpf.c
//go:generate go tool bpf2go -strip llvm-strip -no-global-types -target amd64,arm64 -cflags "-O2 -g -Wall -Werror -mcpu=v2" -output-dir internal/objects -go-package objects Kernel kernel.bpf.c
//go:generate go tool bpf2go -strip llvm-strip -no-global-types -target amd64,arm64 -cflags "-O2 -g -Wall -Werror -mcpu=v2" -output-dir internal/objects -go-package objects Creds creds.bpf.c
//go:generate go tool bpf2go -strip llvm-strip -no-global-types -target amd64,arm64 -cflags "-O2 -g -Wall -Werror -mcpu=v2" -output-dir internal/objects -go-package objects Memory memory.bpf.c
//go:generate go tool bpf2go -strip llvm-strip -no-global-types -target amd64,arm64 -cflags "-O2 -g -Wall -Werror -mcpu=v2" -output-dir internal/objects -go-package objects Content content.bpf.c
//go:generate go tool bpf2go -strip llvm-strip -no-global-types -target amd64,arm64 -cflags "-O2 -g -Wall -Werror -mcpu=v2" -output-dir internal/objects -go-package objects Source source.bpf.c
//go:generate go tool bpf2go -strip llvm-strip -no-global-types -target amd64,arm64 -cflags "-O2 -g -Wall -Werror -mcpu=v2" -output-dir internal/objects -go-package objects Uring uring.bpf.c
//go:generate go tool bpf2go -strip llvm-strip -no-global-types -target amd64,arm64 -cflags "-O2 -g -Wall -Werror -mcpu=v2" -output-dir internal/objects -go-package objects Packet packet.bpf.c
