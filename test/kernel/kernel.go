// Package kernel boots a Linux kernel under QEMU and runs one program in it: the way to run
// BPF tests on kernels other than the one at hand, and to count the instructions they cost.
//
// [Fetch] downloads one of Debian's cloud kernels or of Ubuntu's, [Run] boots it with an initramfs that is
// made of a static busybox, the program and the files it needs. The command vmtest beside
// this package wraps both for `go test -exec`.
//
// Nothing here needs root. It needs qemu-system-x86_64, a static busybox, and for the
// download Debian's apt-get and dpkg-deb.
package kernel

import (
	"archive/tar"
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// ErrMissing is what every error wraps that says that a tool or a kernel is not there, as
// opposed to a test that failed. A caller may turn it into a skip.
var ErrMissing = errors.New("cannot boot a test kernel here")

// A Release is a kernel that [Fetch] knows how to get.
type Release struct {
	Name  string // what the -kernel flag says
	Suite string // distribution and suite that have it
	// Series is its version, of which the newest is taken; "" is what linux-image-cloud-amd64 depends on.
	Series string
	Arch   string // "" is x86-64; "arm64"
	// pinned are the packages of its modules and, last, its image, headers those to build modules with; nil: apt finds them.
	pinned, headers []pinned
}

// Releases are the kernels of the test matrix, oldest first: all that Debian has, and of 7 the newest; between them Ubuntu's,
// of which 5.11 has the fault that dirty_pipe_splice is about; then another architecture.
var Releases = []Release{
	{Name: "5.10", Suite: "Debian bullseye"},
	{Name: "5.11", Suite: "Ubuntu 20.04", pinned: []pinned{
		{"linux-hwe-5.11/linux-modules-5.11.0-46-generic_5.11.0-46.51~20.04.1_amd64.deb", "5171b45d235c3e50c51983449dd835e463f7bd7af55608b627b09f4b0a8db2df"},
		{"linux-hwe-5.11/linux-image-unsigned-5.11.0-46-generic_5.11.0-46.51~20.04.1_amd64.deb", "ec091b7781d6118cf15eb860b6c7c3f5a3953f1730501a02879461ac662968c6"},
	}, headers: []pinned{
		{"linux-hwe-5.11/linux-headers-5.11.0-46-generic_5.11.0-46.51~20.04.1_amd64.deb", "7795d3022eb9389cac3bb162af30689d63484edf412932dbd1e04a7bd425f6dc"},
		{"linux-hwe-5.11/linux-hwe-5.11-headers-5.11.0-46_5.11.0-46.51~20.04.1_all.deb", "4e514b8c8d1dd2699ab9158475040dc699bcf50bd1e0d1358954b386d30917ba"},
	}},
	{Name: "5.15", Suite: "Ubuntu 22.04", pinned: []pinned{
		{"linux/linux-modules-5.15.0-204-generic_5.15.0-204.214_amd64.deb", "e205a3933a1f6551dc04e3975b46df119fe12a0ba4b5ea37bdcd30862ad69a98"},
		{"linux/linux-image-unsigned-5.15.0-204-generic_5.15.0-204.214_amd64.deb", "2fa65ba92f39485b97c53d68b4245931a2fb6abadadf250769b48f86f7eaa815"},
	}, headers: []pinned{
		{"linux/linux-headers-5.15.0-204-generic_5.15.0-204.214_amd64.deb", "8d07cee2863c922e7f54eabfd018e78434d4202216bdcf8eeb56cfceea4fef71"},
		{"linux/linux-headers-5.15.0-204_5.15.0-204.214_all.deb", "ab39b2b52387256a47d865f30f6e3ef52ef526b0e48a34995f7ffe86d2410965"},
	}},
	{Name: "6.1", Suite: "Debian bookworm"},
	{Name: "6.8", Suite: "Ubuntu 24.04, 22.04", pinned: []pinned{
		{"linux-hwe-6.8/linux-modules-6.8.0-149-generic_6.8.0-149.149~22.04.1_amd64.deb", "0227eed9e3908fb33815944adca143b4659a68bf88a8ad79de0979966e5856ac"},
		{"linux-hwe-6.8/linux-image-unsigned-6.8.0-149-generic_6.8.0-149.149~22.04.1_amd64.deb", "5e496b5c1f3af311258b59143a57849013b9310629f10b342b468521eb926912"},
	}, headers: []pinned{
		{"linux-hwe-6.8/linux-headers-6.8.0-149-generic_6.8.0-149.149~22.04.1_amd64.deb", "96b30ace75b52db5ccf52ef864f13fe99a55a7c790ac4932e9fc1567dc6d1e47"},
		{"linux-hwe-6.8/linux-hwe-6.8-headers-6.8.0-149_6.8.0-149.149~22.04.1_all.deb", "67c9a922588be68bc9dfe66b5b825e764f3fa7c79f91419bd1beb5d5a21ff240"},
	}},
	{Name: "6.12", Suite: "Debian trixie"},
	{Name: "6.16", Suite: "Debian trixie-backports", Series: "6.16"},
	{Name: "6.17", Suite: "Debian trixie-backports", Series: "6.17"},
	{Name: "6.18", Suite: "Debian trixie-backports", Series: "6.18"},
	{Name: "6.19", Suite: "Debian trixie-backports", Series: "6.19"},
	{Name: "7", Suite: "Debian trixie-backports"},
	{Name: "6.1-arm64", Suite: "Debian bookworm", Arch: "arm64"},
}

// Names returns the names of the releases.
func Names() []string {
	var names []string
	for _, r := range Releases {
		names = append(names, r.Name)
	}
	return names
}

// An Image is a kernel on disk.
type Image struct {
	name    string // as in [Release]; empty for an image the user named
	Vmlinuz string
	// Modules is the Debian package that holds its modules; empty for an image the user named.
	Modules string
	Arch    string // as in [Release]
	// Busybox is a static one for the architecture, when that is not this machine's.
	Busybox string
}

const (
	mirror   = "http://deb.debian.org/debian" // apt checks signatures, so plain HTTP is safe
	keyring  = "/usr/share/keyrings/debian-archive-keyring.gpg"
	metaName = "linux-image-cloud-"
)

// Fetch returns the image of name, which is one of [Releases] or a path to a vmlinuz. The
// first call downloads it into cache (30–40 MB with package lists), later ones find it there;
// concurrent calls wait for one another. Progress goes to log.
func Fetch(ctx context.Context, name, cache string, log io.Writer) (Image, error) {
	i := slices.IndexFunc(Releases, func(r Release) bool { return r.Name == name })
	if i < 0 {
		if _, err := os.Stat(name); err != nil {
			return Image{}, fmt.Errorf("%w: kernel %q is neither a file nor one of %s", ErrMissing, name, strings.Join(Names(), ", "))
		}
		return Image{Vmlinuz: name}, nil
	}
	dir := filepath.Join(cache, "kernels", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Image{}, fmt.Errorf("create kernel cache: %w", err)
	}
	unlock, err := lock(filepath.Join(dir, ".lock"))
	if err != nil {
		return Image{}, err
	}
	defer unlock()

	if img, err := cached(dir, Releases[i].Arch); err == nil {
		return img, nil
	}
	fmt.Fprintf(log, "vmtest: downloading Linux %s (%s) into %s\n", name, Releases[i].Suite, dir)
	get := download
	if Releases[i].pinned != nil {
		get = downloadPinned
	}
	if err := get(ctx, Releases[i], dir, log); err != nil {
		return Image{}, fmt.Errorf("%w: download Linux %s: %w", ErrMissing, name, err)
	}
	return cached(dir, Releases[i].Arch)
}

func cached(dir, arch string) (Image, error) {
	vmlinuz := filepath.Join(dir, "vmlinuz")
	if _, err := os.Stat(vmlinuz); err != nil {
		return Image{}, err
	}
	img := Image{name: filepath.Base(dir), Vmlinuz: vmlinuz, Arch: arch}
	for _, deb := range debs(dir) {
		if base := filepath.Base(deb); strings.HasPrefix(base, "linux-") && !strings.HasPrefix(base, "linux-binary-") {
			img.Modules = deb
		}
	}
	if arch != "" {
		img.Busybox = filepath.Join(dir, "busybox")
		if _, err := os.Stat(img.Busybox); err != nil {
			return Image{}, err
		}
	}
	return img, nil
}

func debs(dir string) []string {
	found, _ := filepath.Glob(filepath.Join(dir, "*.deb")) // fails only for a bad pattern
	return found
}

// download gets the package that holds the kernel.
func download(ctx context.Context, r Release, dir string, log io.Writer) error {
	arch := cmp.Or(r.Arch, "amd64")
	apt, done, err := openApt(ctx, r, dir)
	if err != nil {
		return err
	}
	defer done()
	for _, stale := range debs(dir) {
		os.Remove(stale) // of a download that was cut off
	}
	// The meta package depends on the image; since 6.19 that one depends on two others, which
	// hold the kernel itself and its modules.
	depends := regexp.MustCompile(`^Depends:.*?\b(linux-(?:image|binary)-[^ ,]*[0-9][^ ,]*)`)
	pkg := metaName + arch
	if r.Series != "" {
		found, err := apt("apt-cache", "search", "--names-only", "^linux-image-"+regexp.QuoteMeta(r.Series)+`\.[^ ]*-cloud-`+arch+"$")
		if err != nil {
			return err
		}
		if pkg = newest(found); pkg == "" {
			return fmt.Errorf("%s has no Linux %s", r.Suite, r.Series)
		}
	}
	for {
		shown, err := apt("apt-cache", "show", "--no-all-versions", pkg)
		if err != nil {
			return err
		}
		next := ""
		for sc := bufio.NewScanner(strings.NewReader(shown)); sc.Scan(); {
			if m := depends.FindStringSubmatch(sc.Text()); m != nil {
				next = m[1]
			}
		}
		if next == "" {
			fmt.Fprintf(log, "vmtest: package %s\n", pkg)
			if _, err := apt("apt-get", "download", pkg); err != nil {
				return err
			}
			break
		}
		pkg = next
	}
	if release, split := strings.CutPrefix(pkg, "linux-binary-"); split {
		if _, err := apt("apt-get", "download", "linux-modules-"+release); err != nil {
			fmt.Fprintf(log, "vmtest: no modules: %v\n", err) // Debian removes those of superseded kernels
		}
	}
	if r.Arch != "" {
		if _, err := apt("apt-get", "download", "busybox-static"); err != nil {
			return err
		}
		for _, deb := range debs(dir) {
			if strings.HasPrefix(filepath.Base(deb), "busybox") {
				box := filepath.Join(dir, "busybox")
				if err := extract(ctx, deb, func(name string) bool { return name == "bin/busybox" }, box); err != nil {
					return err
				}
				if err := os.Chmod(box, 0o755); err != nil { // the guest starts with it
					return err
				}
			}
		}
	}
	found, _ := filepath.Glob(filepath.Join(dir, pkg+"_*.deb"))
	if len(found) != 1 {
		return fmt.Errorf("expected one package %s in %s, found %d", pkg, dir, len(found))
	}
	return extractKernel(ctx, found[0], dir)
}

// extractKernel unpacks the kernel of a package into dir, where it then counts as downloaded.
func extractKernel(ctx context.Context, deb, dir string) error {
	return extract(ctx, deb, func(name string) bool {
		// /boot, or in newer packages /usr/lib/modules/<release>/vmlinuz.
		return strings.HasPrefix(path.Base(name), "vmlinuz")
	}, filepath.Join(dir, "vmlinuz"))
}

// Module extracts a kernel module by name ("dummy") out of the image's package, unpacked if
// it is compressed, and returns its path in dir.
func (i Image) Module(ctx context.Context, name, dir string) (string, error) {
	if i.Modules == "" {
		return "", fmt.Errorf("%w: modules come from the kernel's package, and %s has none", ErrMissing, i.Vmlinuz)
	}
	ko := filepath.Join(dir, name+".ko")
	var ext string // ".xz" of dummy.ko.xz
	err := extract(ctx, i.Modules, func(file string) bool {
		base, rest, ok := strings.Cut(path.Base(file), ".ko")
		if ok && base == name {
			ext = rest
		}
		return ok && base == name
	}, ko)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w: %s holds no module %q", ErrMissing, filepath.Base(i.Modules), name)
	}
	if err != nil || ext == "" {
		return ko, err
	}
	packed := ko + ext
	if err := os.Rename(ko, packed); err != nil {
		return "", err
	}
	tool := map[string]string{".xz": "xz", ".gz": "gzip", ".zst": "zstd"}[ext]
	if out, err := exec.CommandContext(ctx, tool, "-df", packed).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: unpack %s with %s: %w: %s", ErrMissing, packed, tool, err, out)
	}
	return ko, nil
}

// extract writes the first file of a Debian package that match accepts to dst.
func extract(ctx context.Context, deb string, match func(name string) bool, dst string) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		cmd.Process.Kill() // it may be in the middle of what we no longer read
		cmd.Wait()
	}()
	for r := tar.NewReader(pipe); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("unpack %s: %w", deb, fs.ErrNotExist)
		} else if err != nil {
			return fmt.Errorf("unpack %s: %w", deb, err)
		}
		if h.Typeflag != tar.TypeReg || !match(strings.TrimPrefix(h.Name, "./")) {
			continue
		}
		tmp, err := os.CreateTemp(filepath.Dir(dst), ".unpack-")
		if err != nil {
			return err
		}
		_, err = io.Copy(tmp, r)
		if err = errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err != nil {
			os.Remove(tmp.Name())
			return fmt.Errorf("unpack %s: %w", deb, err)
		}
		return os.Rename(tmp.Name(), dst)
	}
}

func lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return func() { f.Close() }, nil
}
