package noise

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/bpf"
	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/detect/enrich"
	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/rules"
)

// build is a C program of forty files, some headers each, and what the rules look for: the filters must let that through.
const build = `set -e
for i in $(seq 40); do
  echo "#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/socket.h>
int f$i(int x) { return x + $i; }" > f$i.c
done
echo 'int main(void) { return 0; }' > main.c
printf 'prog: $(patsubst %%.c,%%.o,$(wildcard *.c))\n\tgcc -o $@ $^\n' > Makefile
make -s -j2
./prog
cat /etc/shadow > /dev/null
cp /bin/true .hidden && ./.hidden
cp /bin/true ./nc && ./nc -e /bin/sh || true
sh -c 'echo aGkK | base64 -d | sh' 2> /dev/null || true
mv f1.c f1.c.locked
make -s clean 2> /dev/null || rm -f *.o prog
`

// seen is what came of one build.
type seen struct {
	events   map[string]int // by name
	findings map[string]int // by rule and program
}

// TestHoldBack builds a program twice: once with every occurrence of the events that the built-in rules select leaving the
// kernel, and once with the filters that are derived from the rules. The findings must be the same.
func TestHoldBack(t *testing.T) {
	if os.Getenv("TOCSIN_NOISE") == "" {
		t.Skip("set TOCSIN_NOISE=1 to run it: it takes minutes, and fetches packages")
	}
	if err := bpf.CheckPrivileges(); err != nil {
		t.Skip(err)
	}
	all, filtered := watchBuild(t, false), watchBuild(t, true)
	if !maps.Equal(all.findings, filtered.findings) {
		t.Errorf("findings without filters %v, with them %v", all.findings, filtered.findings)
	}
	lifecycle := []string{"sched_process_exec", "sched_process_fork", "sched_process_exit"} // needed for the process tree
	var before, after [2]int
	for _, name := range slices.Sorted(maps.Keys(all.events)) {
		i := 0
		if slices.Contains(lifecycle, name) {
			i = 1
		}
		before[i] += all.events[name]
		after[i] += filtered.events[name]
		t.Logf("%-28s %6d of %6d wanted", name, filtered.events[name], all.events[name])
	}
	t.Logf("%d kinds of findings, the same in both runs: %v", len(all.findings), all.findings)
	t.Logf("all events: %d of %d held back, %.2f %%", before[0]+before[1]-after[0]-after[1], before[0]+before[1], 100-100*float64(after[0]+after[1])/float64(before[0]+before[1]))
	share := 100 - 100*float64(after[0])/float64(before[0])
	t.Logf("without the life cycle of processes: %d of %d held back, %.2f %%", before[0]-after[0], before[0], share)
	if len(all.findings) == 0 {
		t.Error("nothing was found: equal findings show nothing")
	}
}

func watchBuild(t *testing.T, filters bool) seen {
	t.Helper()
	list, errs := detect.Load(detect.Source{FS: rules.FS(), Name: "rules"})
	if errs != nil {
		t.Fatal(errs)
	}
	out := seen{map[string]int{}, map[string]int{}}
	engine, err := detect.New(detect.Options{Rules: list, Sink: func(h detect.Hit) { f := h.Finding(); out.findings[f.Rule.ID+" "+f.Process.Name]++ }})
	if err != nil {
		t.Fatal(err)
	}
	sensor, err := bpf.Open(bpf.Options{RingBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer sensor.Close()
	mount, hierarchy := sensor.CgroupHierarchy()
	enricher := enrich.New(enrich.Options{CgroupMount: mount, CgroupHierarchy: hierarchy})
	defer enricher.Close()
	selections := engine.Selections()
	if !filters {
		selections = everything(selections)
	}
	if err := sensor.Select(selections); err != nil {
		t.Log(err)
	}
	var mu sync.Mutex
	self := uint32(os.Getpid())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- sensor.Run(ctx, func(ev *event.Event) {
			enricher.Apply(ev)
			mu.Lock()
			defer mu.Unlock()
			if !descends(ev, self) || ev.Flags&event.FlagUnselected != 0 {
				return
			}
			out.events[ev.Name()]++
			engine.Handle(ev)
		})
	}()
	c := exec.CommandContext(ctx, "/bin/sh", "-c", build)
	dir, err := os.MkdirTemp("/usr/src", "tocsin-build-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	c.Dir = dir
	if text, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, text)
	}
	time.Sleep(2 * time.Second) // what is still in the ring
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	stats, err := sensor.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if stats.Lost() > 0 {
		t.Errorf("%d events were lost", stats.Lost())
	}
	return out
}
