package table

import (
	"strings"
	"testing"
)

func TestWholeTable(t *testing.T) {
	t.Setenv("COLUMNS", "40")
	var b strings.Builder
	w := New(&b, Column{Title: "NAME"}, Column{Title: "N", Right: true}, Column{Title: "TEXT", Flex: true})
	w.Add(T("a"), T("1"), T("short"))
	w.Add(T("longer"), T("1000"), T("a text that does not fit into the forty columns"))
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := `NAME       N  TEXT
a          1  short
longer  1000  a text that does not fit …
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestNothingIsCutWithoutTerminal(t *testing.T) {
	t.Setenv("COLUMNS", "")
	var b strings.Builder
	w := New(&b, Column{Title: "A", Width: 3}, Column{Title: "B", Flex: true})
	long := strings.Repeat("x", 300)
	if err := w.Header(); err != nil {
		t.Fatal(err)
	}
	if err := w.Row(T("toolong"), T(long)); err != nil {
		t.Fatal(err)
	}
	if want := "A    B\ntoolong  " + long + "\n"; b.String() != want {
		t.Errorf("%q", b.String())
	}
}

func TestTerminalIsNotControlled(t *testing.T) {
	if got := Printable("a\x1b[31mb\nc\u202e"); got != `a\x1b[31mb\nc\u202e` {
		t.Errorf("%q", got)
	}
}

func TestWrap(t *testing.T) {
	t.Setenv("COLUMNS", "30")
	var b strings.Builder
	w := New(&b, Column{Title: "EVENT", Flex: true, Wrap: true}, Column{Title: "SET"})
	w.Add(T("openat(int dirfd, const char* pathname, int flags, mode_t mode)"), T("fs"))
	w.Add(T(strings.Repeat("x", 60)), T("long"))
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := `EVENT                     SET
openat(int dirfd, const   fs
  char* pathname, int
  flags, mode_t mode)
xxxxxxxxxxxxxxxxxxxxxxxx  long
  xxxxxxxxxxxxxxxxxxxxxx
  xxxxxxxxxxxxxx
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func FuzzWrap(f *testing.F) {
	f.Add("a b  c", 3)
	f.Add("日本語 テキスト", 5)
	f.Fuzz(func(t *testing.T, s string, width int) {
		if width < 8 || width > 200 {
			return
		}
		s = Printable(s)
		for n := 0; s != ""; n++ {
			_, s = wrap(s, width)
			if n > 10000 {
				t.Fatal("does not end")
			}
		}
	})
}
