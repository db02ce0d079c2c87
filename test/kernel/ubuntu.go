package kernel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
)

// A pinned package is one of Ubuntu's, by its place in the archive. Debian has no kernel between 5.10 and 6.1, and Debian's
// machines lack the key that Ubuntu signs its lists with, so the sum stands here.
type pinned struct{ file, sha256 string }

const ubuntu = "http://archive.ubuntu.com/ubuntu/pool/main/l/"

// downloadPinned gets the packages of a release into dir, and unpacks the kernel.
func downloadPinned(ctx context.Context, r Release, dir string, log io.Writer) error {
	image, err := getPinned(ctx, r.pinned, dir, log)
	if err != nil {
		return err
	}
	return extractKernel(ctx, image, dir)
}

// getPinned downloads packages into dir, and returns the path of the last one.
func getPinned(ctx context.Context, packages []pinned, dir string, log io.Writer) (last string, err error) {
	for _, p := range packages {
		fmt.Fprintf(log, "vmtest: package %s\n", path.Base(p.file))
		last = filepath.Join(dir, path.Base(p.file))
		if err := get(ctx, ubuntu+p.file, p.sha256, last); err != nil {
			return "", err
		}
	}
	return last, nil
}

// get downloads what must have the given sum.
func get(ctx context.Context, url, sum, dst string) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	f, err := os.Create(dst)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(dst)
		}
	}()
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, hash), resp.Body); err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != sum {
		return fmt.Errorf("%s: SHA-256 is %s, not %s", url, got, sum)
	}
	return nil
}
