package bus

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/tocsin-io/tocsin/finding"
)

func rec(sev finding.Severity, id string, size int) *record {
	return &record{severity: sev, subject: "tocsin.findings.c.h", id: id, data: bytes.Repeat([]byte("x"), size)}
}

func ids(list []taken) (out []string) {
	for _, t := range list {
		out = append(out, t.id)
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSpoolKeepsOrderOverRestart(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenSpool(dir, 1<<20)
	must(t, err)
	var want []string
	for i := range 400 {
		id := fmt.Sprintf("f-%03d", i)
		must(t, s.append([]*record{rec(finding.Severity(i%5), id, 200)}))
		want = append(want, id)
	}
	first, err := s.take(100)
	must(t, err)
	s.commit(first[:60])
	s.rewind()
	again, err := s.take(1000)
	must(t, err)
	if got := append(ids(first[:60]), ids(again)...); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("order: %v", got)
	}
	must(t, s.Close())

	s, err = OpenSpool(dir, 1<<20)
	must(t, err)
	all, err := s.take(1000)
	must(t, err)
	got := ids(all)
	if len(got) < 340 || got[len(got)-1] != "f-399" || s.Len() != len(got) {
		t.Errorf("%d records, len %d", len(got), s.Len())
	}
	for i := 1; i < len(got); i++ {
		if got[i] <= got[i-1] {
			t.Fatalf("%s before %s", got[i-1], got[i])
		}
	}
	must(t, s.append([]*record{rec(finding.Low, "f-400", 10)}))
	s.commit(all)
	rest, err := s.take(10)
	must(t, err)
	if fmt.Sprint(ids(rest)) != "[f-400]" {
		t.Errorf("%v", ids(rest))
	}
	s.commit(rest)
	if files, _ := filepath.Glob(dir + "/*"); len(files) != 0 || s.Stats().Bytes != 0 || s.Len() != 0 {
		t.Errorf("left: %v %+v", files, s.Stats())
	}
}

func TestSpoolShedsTheLeastSevere(t *testing.T) {
	s, err := OpenSpool(t.TempDir(), 64<<10)
	must(t, err)
	defer s.Close()
	for i := range 300 {
		must(t, s.append([]*record{rec(finding.Low, fmt.Sprint("low", i), 300)}))
	}
	for i := range 100 {
		must(t, s.append([]*record{rec(finding.Critical, fmt.Sprint("crit", i), 300)}))
	}
	st := s.Stats()
	if st.Bytes > 64<<10 {
		t.Errorf("%d bytes", st.Bytes)
	}
	if st.Shed[finding.Critical] != 0 || st.Shed[finding.Low] == 0 {
		t.Errorf("%+v", st)
	}
	list, err := s.take(1000)
	must(t, err)
	n := map[finding.Severity]int{}
	for _, x := range list {
		n[x.severity]++
	}
	if n[finding.Critical] != 100 || uint64(n[finding.Low])+st.Shed[finding.Low] != 300 || len(list) != st.Findings {
		t.Errorf("%v %+v", n, st)
	}
	// What was taken and then shed does no harm.
	for i := range 300 {
		must(t, s.append([]*record{rec(finding.Critical, fmt.Sprint("more", i), 300)}))
	}
	s.commit(list)
	if st := s.Stats(); st.Bytes > 64<<10 || st.Bytes < 0 || st.Findings < 0 {
		t.Errorf("%+v", st)
	}
}

func TestSpoolSurvivesDamage(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"torn":    func(b []byte) []byte { return b[:len(b)-7] },
		"flipped": func(b []byte) []byte { b[len(b)-20] ^= 1; return b },
		"zeros":   func(b []byte) []byte { return append(b, make([]byte, 4096)...) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := OpenSpool(dir, 0)
			must(t, err)
			for i := range 10 {
				must(t, s.append([]*record{rec(finding.High, fmt.Sprint(i), 100)}))
			}
			must(t, s.Close())
			files, _ := filepath.Glob(dir + "/*")
			b, err := os.ReadFile(files[0])
			must(t, err)
			must(t, os.WriteFile(files[0], damage(b), 0o600))
			s, err = OpenSpool(dir, 0)
			must(t, err)
			defer s.Close()
			must(t, s.append([]*record{rec(finding.High, "new", 100)}))
			list, err := s.take(100)
			must(t, err)
			if n := len(list); n < 10 || list[n-1].id != "new" || s.Stats().Corrupt != 1 {
				t.Errorf("%v %+v", ids(list), s.Stats())
			}
		})
	}
}

func FuzzSpoolRecord(f *testing.F) {
	f.Add(rec(finding.High, "f-1", 10).encode())
	f.Add([]byte{255, 255, 255, 3, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, n, err := readRecord(bytes.NewReader(b), finding.High)
		if err != nil {
			return
		}
		if !bytes.Equal(r.encode(), b[:n]) {
			t.Error("a record does not survive decoding")
		}
	})
}
