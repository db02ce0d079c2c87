package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// A plan is how long and how hard the faults are. The long form is the one that other
// routers were measured with: 500 findings a second for 25 seconds, ten of them with a fault.
type plan struct {
	rate          int
	before, fault time.Duration // findings arrive before, during, and as long as before after it
	hang, slow    time.Duration
	kills         int // of each kind
}

var (
	short = plan{rate: 200, before: time.Second, fault: 2 * time.Second, hang: 5 * time.Second, slow: 3 * time.Second, kills: 3}
	long  = plan{rate: 500, before: 7500 * time.Millisecond, fault: 10 * time.Second, hang: 60 * time.Second, slow: 30 * time.Second, kills: 100}
)

// quick retries make the short form short; the long one takes the defaults.
const quick = ", retry: {backoff: [100ms, 500ms, 1s]}"

func TestFaults(t *testing.T) {
	p, extra := short, quick
	if os.Getenv("TOCSIN_FAULTS") == "long" {
		p, extra = long, ""
	}
	var rows []result
	row := func(name string, o options, f func(t *testing.T, w *world) (note string)) {
		t.Run(name, func(t *testing.T) {
			o.extra = extra
			w := newWorld(t, o)
			note := f(t, w)
			w.drain(90 * time.Second)
			r := w.result(name)
			r.Note = note
			rows = append(rows, r)
			t.Logf("%+v", r)
			check(t, r)
		})
	}
	during := func(w *world, length time.Duration, begin, end func()) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.publish(p.rate, 2*p.before+length)
		}()
		time.Sleep(p.before)
		begin()
		time.Sleep(length)
		end()
		<-done
	}
	status := func(code int, header, value string) func(t *testing.T, w *world) string {
		return func(t *testing.T, w *world) string {
			early := atomic.Int64{}
			during(w, p.fault, func() {
				w.sink.behave(func(rw http.ResponseWriter, _ *http.Request) bool {
					early.Add(1)
					if header != "" {
						rw.Header().Set(header, value)
					}
					rw.WriteHeader(code)
					return true
				})
			}, func() { w.sink.behave(nil) })
			return fmt.Sprintf("%d requests answered %d", early.Load(), code)
		}
	}

	row("none", options{}, func(t *testing.T, w *world) string {
		w.publish(p.rate, 2*p.before+p.fault)
		return ""
	})
	row(fmt.Sprintf("503 for %v", p.fault), options{}, status(http.StatusServiceUnavailable, "", ""))
	row(fmt.Sprintf("429 with Retry-After for %v", p.fault), options{}, status(http.StatusTooManyRequests, "Retry-After", "1"))
	row(fmt.Sprintf("connections refused for %v", p.fault), options{}, func(t *testing.T, w *world) string {
		during(w, p.fault, w.sink.close, w.sink.open)
		return ""
	})
	row(fmt.Sprintf("one request hangs %v", p.hang), options{}, func(t *testing.T, w *world) string {
		var hung atomic.Bool
		during(w, p.hang, func() {
			w.sink.behave(func(_ http.ResponseWriter, r *http.Request) bool {
				if hung.Swap(true) {
					return false
				}
				select {
				case <-time.After(p.hang):
				case <-r.Context().Done(): // the router gave up on it
				}
				panic(http.ErrAbortHandler) // no answer: returning would be a 200
			})
		}, func() { w.sink.behave(nil) })
		w.sink.mu.Lock()
		defer w.sink.mu.Unlock()
		if w.sink.gap > p.hang/2 {
			t.Errorf("nothing was delivered for %v while one request hung", w.sink.gap)
		}
		return fmt.Sprintf("longest time without a delivery %v", w.sink.gap.Round(time.Millisecond))
	})
	row(fmt.Sprintf("each request takes 1s for %v", p.slow), options{}, func(t *testing.T, w *world) string {
		during(w, p.slow, func() {
			w.sink.behave(func(http.ResponseWriter, *http.Request) bool { time.Sleep(time.Second); return false })
		}, func() { w.sink.behave(nil) })
		return ""
	})
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		row(fmt.Sprintf("router %s at %d random moments", unix.SignalName(sig), p.kills), options{}, func(t *testing.T, w *world) string {
			return w.killRouter(t, p, sig)
		})
	}
	row("NATS killed and started again", options{}, func(t *testing.T, w *world) string {
		during(w, p.fault, w.nats.Kill, w.nats.Start)
		return "kill -9"
	})
	row("NATS stopped and started again", options{}, func(t *testing.T, w *world) string {
		during(w, p.fault, w.nats.Stop, w.nats.Start)
		return ""
	})
	for _, node := range []bool{false, true} {
		name := "one of three routers killed"
		if node {
			name += ", and one of three NATS servers"
		}
		t.Run(name, func(t *testing.T) {
			w, s := newShared(t, extra)
			note := w.killOneOfThree(p, s, node)
			r := w.result(name)
			r.Note = note
			rows = append(rows, r)
			t.Logf("%+v", r)
			check(t, r)
		})
	}
	row("more findings than the stream holds", options{maxBytes: "4MiB"}, func(t *testing.T, w *world) string {
		w.publish(2000, 5*time.Second)
		return "12 MB through streams of 4 MiB"
	})
	if dir, umount, ok := smallDisk(t); ok {
		defer umount()
		for _, sub := range []string{"nats", "router"} {
			if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		row(fmt.Sprintf("disk full for %v", p.fault), options{natsDir: dir + "/nats", routerDir: dir + "/router", maxBytes: "32MiB"}, func(t *testing.T, w *world) string {
			during(w, p.fault, func() { fill(t, filepath.Join(dir, "ballast")) }, func() {
				os.Remove(filepath.Join(dir, "ballast"))
				// Who runs NATS restarts it after a full disk: it turns JetStream off by itself.
				w.nats.Stop()
				w.nats.Start()
			})
			return "NATS and store on the full disk"
		})
	}
	report(t, p, rows)
}

// killRouter ends the router at random moments while findings arrive.
func (w *world) killRouter(t *testing.T, p plan, sig syscall.Signal) string {
	// A receiver that takes a moment, so that there is always something in flight.
	w.sink.behave(func(http.ResponseWriter, *http.Request) bool { time.Sleep(5 * time.Millisecond); return false })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			w.publish(p.rate, time.Second)
		}
	}()
	rng := rand.New(rand.NewPCG(uint64(os.Getpid()), uint64(sig)))
	for range p.kills {
		// From the middle of its start to a second and a half of full work.
		time.Sleep(time.Duration(rng.Int64N(int64(1500 * time.Millisecond))))
		w.noteUsage()
		if sig == syscall.SIGKILL {
			w.router.Kill()
		} else if code := w.router.Stop(20 * time.Second); code != 0 && !strings.Contains(w.router.Stderr(), "starting") {
			t.Logf("SIGTERM: exit code %d", code)
		}
		w.launchRouter()
	}
	cancel()
	<-done
	return ""
}

// check holds the promise.
func check(t *testing.T, r result) {
	t.Helper()
	if r.Accepted == 0 {
		t.Error("nothing was accepted")
	}
	if r.Lost > 0 {
		t.Errorf("%d of %d accepted findings were lost", r.Lost, r.Accepted)
	}
	if r.Refused > 0 {
		t.Errorf("%d findings were refused", r.Refused)
	}
	if r.Unmarked > 0 {
		t.Errorf("%d duplicates had another webhook-id", r.Unmarked)
	}
	if limit := int64(150 << 20); r.Memory > limit {
		t.Errorf("the router took %d MiB, more than 150", r.Memory>>20)
	}
}

// smallDisk mounts a file system of 192 MiB.
func smallDisk(t *testing.T) (dir string, umount func(), ok bool) {
	if os.Geteuid() != 0 {
		t.Run("disk full", func(t *testing.T) { t.Skip("needs root to mount a small file system") })
		return "", nil, false
	}
	dir = t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=192m,mode=0755"); err != nil {
		t.Fatalf("mount tmpfs: %v", err)
	}
	return dir, func() { syscall.Unmount(dir, syscall.MNT_DETACH) }, true
}

// fill writes a file until the disk is full, and a bit: what others free is taken too.
func fill(t *testing.T, name string) {
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
}

// report prints the table, and writes it if asked to.
func report(t *testing.T, p plan, rows []result) {
	var b strings.Builder
	b.WriteString("| Fault | Accepted | Delivered | Lost | Delivered again, same id | Delivered again, other id | Router's memory | |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d MiB | %s |\n", r.Fault, r.Accepted, r.Delivered+r.Unknown, r.Lost, r.Duplicates-r.Unmarked, r.Unmarked, r.Memory>>20, r.Note)
	}
	fmt.Println(b.String())
	file := reportFile(t)
	if file == "" {
		return
	}
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	text := fmt.Sprintf(`# What faults do to alerts

The router's promise is: at least once, from the moment a finding is published until every output has said 2xx. This table is what
`+"`make test-faults`"+` measured, with the real tocsin-router, a real NATS server as a process of its own (JetStream on disk) and a webhook
receiver. %d findings of about 1.2 KB arrive each second, before, during and after each fault.

%s
- *Accepted*: the publisher had confirmation that the finding was stored. *Delivered*: findings that arrived at the receiver and
  were answered with 2xx; it may exceed *accepted* when the confirmation was lost in the fault but not the finding.
- *Delivered again* counts repeats of a finding that had been answered with 2xx before. At least once means that a crash between the receiver's answer
  and its record makes one; the webhook-id is the same, so that a receiver can drop it. One with another id would be an error.
- *Memory* is the highest resident memory of any router process of that run (VmHWM).

Measured on %s: Linux %s, %d CPUs shared by router, NATS, sender and receiver.
The clock is set back and forth by an hour in a test kernel, since it can't be moved on a machine that does other work: `+"`make test-kernels`"+`.
`, p.rate, b.String(), time.Now().UTC().Format(time.DateOnly), strings.TrimSpace(string(release)), runtime.NumCPU())
	// What was measured apart from the faults stays.
	if old, err := os.ReadFile(file); err == nil {
		if i := strings.Index(string(old), "\n## "); i >= 0 {
			text += string(old[i:])
		}
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestClockJumps moves the machine's clock while findings arrive. It runs in test kernels alone.
func TestClockJumps(t *testing.T) {
	if os.Getenv("VMTEST_KERNEL") == "" {
		t.Skip("sets the machine's clock: runs in a test kernel (test/kernel/matrix)")
	}
	w := newWorld(t, options{extra: quick})
	for _, jump := range []time.Duration{time.Hour, -2 * time.Hour, time.Hour} {
		w.publish(20, time.Second)
		var tv syscall.Timeval
		if err := syscall.Gettimeofday(&tv); err != nil {
			t.Fatal(err)
		}
		tv.Sec += int64(jump / time.Second)
		if err := syscall.Settimeofday(&tv); err != nil {
			t.Fatalf("set the clock: %v", err)
		}
	}
	w.publish(20, time.Second)
	w.drain(60 * time.Second)
	check(t, w.result("clock jumps"))
}
