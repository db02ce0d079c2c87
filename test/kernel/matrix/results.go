// Package matrix runs the tests that load BPF in other kernels than the one at hand, under
// QEMU, and reports each of them as a test of its own. TOCSIN_TEST_KERNELS names the kernels
// (default 6.1; "make test-kernels" takes all). With -update it keeps what each kernel showed,
// and docs/events.md is generated from that.
package matrix

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/tocsin-io/tocsin/test/kernel"
)

//go:generate go run ./eventsdoc ../../../docs/events.md

// Outcomes of a [Result]; the others are "fail" and "skip".
const (
	Pass     = "pass"
	Unusable = "unusable" // the kernel does not have the hook
)

// A Result says what one hook of one event showed of real system calls.
type Result struct {
	Event   string   `json:"event"`
	Hook    string   `json:"hook"`
	Target  string   `json:"target,omitempty"`
	Outcome string   `json:"outcome"`
	Reason  string   `json:"reason,omitempty"`
	User    []string `json:"user,omitempty"` // arguments that were read from user memory
	// Of a way around the sensor:
	Evasion string `json:"evasion,omitempty"`
	Attack  string `json:"attack,omitempty"`
	Seen    string `json:"seen,omitempty"`
}

// A Kernel is what one kernel showed.
type Kernel struct {
	Name    string   `json:"kernel"`
	Release string   `json:"release"`
	Results []Result `json:"-"`
}

func (k *Kernel) write(file string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(k); err != nil {
		return err
	}
	for _, r := range k.Results {
		slices.Sort(r.User)
		r.User = slices.Compact(r.User)
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

// Read returns the kernels whose results are kept in dir, oldest first; the one that the tests ran on without emulation
// comes last.
func Read(dir string) ([]Kernel, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	var out []Kernel
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var k Kernel
		for sc := bufio.NewScanner(bytes.NewReader(b)); sc.Scan(); {
			if k.Name == "" {
				err = json.Unmarshal(sc.Bytes(), &k)
			} else {
				var r Result
				err = json.Unmarshal(sc.Bytes(), &r)
				k.Results = append(k.Results, r)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
		out = append(out, k)
	}
	place := func(k Kernel) int {
		if i := slices.Index(kernel.Names(), k.Name); i >= 0 {
			return i
		}
		return len(kernel.Names())
	}
	slices.SortFunc(out, func(a, b Kernel) int { return cmp.Compare(place(a), place(b)) })
	return out, nil
}
