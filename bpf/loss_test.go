package bpf

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

func init() {
	triggers = append(triggers, trigger{name: "flood", child: func(arg string) {
		path, n, _ := strings.Cut(arg, ",")
		count, _ := strconv.Atoi(n)
		for range count {
			fd, err := unix.Openat(unix.AT_FDCWD, path, unix.O_RDONLY, 0)
			check("open", err)
			unix.Close(fd)
		}
	}}, trigger{name: "open in cgroup", child: func(arg string) {
		cgroup, path, _ := strings.Cut(arg, ",")
		check("join", os.WriteFile(filepath.Join(cgroup, "cgroup.procs"), []byte("0"), 0o600))
		for range 10 {
			fd, err := unix.Openat(unix.AT_FDCWD, path, unix.O_RDONLY, 0)
			check("open", err)
			unix.Close(fd)
		}
	}})
}

// A reader that stands still while a process floods the ring: every occurrence is either delivered or counted as lost, and a
// process in another control group is still heard.
func TestLoss(t *testing.T) {
	s, err := Open(Options{RingBytes: 4 << 20, Features: testFeatures(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	selectAll(t, s, "security_file_open")
	flooded, quiet := tempFile(t), tempFile(t)
	cgroup := cgroupParent(t)
	if err := os.Mkdir(cgroup, 0o755); err != nil {
		t.Fatal(err)
	}

	var standstill sync.Mutex
	standstill.Lock()
	got := map[string]uint64{}
	heard := 0
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- s.Run(ctx, func(e *event.Event) {
			standstill.Lock()
			defer standstill.Unlock()
			got[e.Name()]++
			if e.Name() == "security_file_open" && e.Str(0) == quiet {
				heard++
			}
		})
	}()
	flooder := startTrigger(t, "flood", flooded+",20000")
	// More processes of the same control group use up its share, and time gives it no new one.
	for range 6 {
		startTrigger(t, "flood", flooded+",300")
	}
	spent := emitted(t, s)
	time.Sleep(200 * time.Millisecond)
	startTrigger(t, "flood", flooded+",300")
	if now := emitted(t, s); now != spent {
		t.Errorf("%d events more of a control group that had used up its share of a ring that nobody reads", now-spent)
	}
	startTrigger(t, "open in cgroup", cgroup+","+quiet)
	standstill.Unlock()
	if err := s.Select(nil); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		standstill.Lock()
		read := got["security_file_open"]
		standstill.Unlock()
		if read == emitted(t, s) {
			break
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	st, err := s.Stats()
	if err != nil {
		t.Fatal(err)
	}
	opens := st.Events["security_file_open"]
	t.Logf("process %d: %+v", flooder, opens)
	if opens.Attempted != opens.Emitted+opens.Lost() {
		t.Errorf("attempted %d, emitted %d, lost %d", opens.Attempted, opens.Emitted, opens.Lost())
	}
	if opens.LostRing != 0 {
		t.Errorf("%d found the ring full", opens.LostRing)
	}
	if opens.LostBudget == 0 {
		t.Error("the flood was not limited: " + fmt.Sprintf("%+v", opens))
	}
	if got["security_file_open"] != opens.Emitted || st.Undecoded != 0 {
		t.Errorf("%d came out of the ring, %d undecoded; %d went in", got["security_file_open"], st.Undecoded, opens.Emitted)
	}
	if heard != 10 {
		t.Errorf("%d of 10 events of the quiet control group were heard", heard)
	}
}

func emitted(t *testing.T, s *Sensor) uint64 {
	t.Helper()
	st, err := s.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return st.Events["security_file_open"].Emitted
}
