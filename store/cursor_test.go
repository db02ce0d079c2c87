package store

import "testing"

func FuzzCursor(f *testing.F) {
	f.Add(cursor{"-last_seen", 7, "a-1"}.String())
	f.Add("e30")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := parseCursor(text, "-last_seen"); err == nil && c.Sort != "-last_seen" {
			t.Error("a cursor of another order is taken")
		}
	})
}
