package scan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// fakeMemory is a kernel's in which a test puts words and texts. Real ones are looked through by package bpf's tests.
type fakeMemory map[uint64]byte

func (m fakeMemory) Read(at uint64, b []byte) error {
	for i := range b {
		v, ok := m[at+uint64(i)]
		if !ok {
			return errors.New("bad address")
		}
		b[i] = v
	}
	return nil
}

func (m fakeMemory) Task() (uint64, error) { return 0, errors.New("no task") }

func (m fakeMemory) word(at, v uint64) {
	for i, c := range binary.NativeEndian.AppendUint64(nil, v) {
		m[at+uint64(i)] = c
	}
}

func (m fakeMemory) text(at uint64, s string, size int) {
	for i := range size {
		m[at+uint64(i)] = 0
		if i < len(s) {
			m[at+uint64(i)] = s[i]
		}
	}
}

// types are structs whose fields have eight bytes each, or what is said after a colon.
func types(t *testing.T, structs map[string]string) Types {
	return func(name string, typ any) error {
		text, ok := structs[name]
		if !ok {
			return btf.ErrNotFound
		}
		s := &btf.Struct{Name: name}
		for f := range strings.FieldsSeq(text) {
			field, nested, _ := strings.Cut(f, ":")
			m := btf.Member{Name: field, Offset: btf.Bits(8 * s.Size), Type: &btf.Int{Size: 8}}
			size := uint32(8)
			switch nested {
			case "":
			case "name":
				size = nameLen
			default:
				inner := &btf.Struct{Name: nested, Size: 16, Members: []btf.Member{{Name: "base", Type: &btf.Int{Size: 8}}, {Name: "size", Offset: 64, Type: &btf.Int{Size: 8}}}}
				m.Type, size = inner, 16
			}
			s.Members = append(s.Members, m)
			s.Size += size
		}
		p, ok := typ.(**btf.Struct)
		if !ok {
			t.Fatalf("asked for a %T", typ)
		}
		*p = s
		return nil
	}
}

const listing = `ffffffff81000000 T _stext
ffffffff81000100 T acct
ffffffff81000200 t local
ffffffff82000000 T _etext
ffffffff83000000 D modules
ffffffff83000100 D mod_tree
ffffffffc0000000 t hook	[known]
`

func kernel(text string, m Memory, types Types) *Kernel {
	return New(m, &Symbols{file: strings.NewReader(text)}, types, nil)
}

func TestSymbols(t *testing.T) {
	s := &Symbols{file: strings.NewReader(listing)}
	if at, err := s.find("modules"); err != nil || at != (span{0xffffffff83000000, 0xffffffff83000100}) {
		t.Error(at, err)
	}
	if _, err := s.find("sys_call_table"); err == nil || !strings.Contains(err.Error(), "sys_call_table") {
		t.Error(err)
	}
	names, err := s.names([]uint64{0xffffffff81000204, 0xffffffff81000100, 0xffffffff81000203, 0x10, 0xffffffffc0000008})
	want := map[uint64]string{0xffffffff81000100: "acct", 0xffffffff81000203: "local", 0xffffffff81000204: "local", 0x10: "", 0xffffffffc0000008: "hook"}
	if err != nil || fmt.Sprint(names) != fmt.Sprint(want) {
		t.Error(names, err)
	}
	hidden := &Symbols{file: strings.NewReader("0000000000000000 T _stext\n0000000000000000 D modules\n")}
	if err := Missing("hidden_kernel_module", hidden); err == nil || !strings.Contains(err.Error(), "kptr_restrict") {
		t.Error(err)
	}
}

func FuzzParseSymbol(f *testing.F) {
	for line := range strings.Lines(listing) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		at, name, module, ok := parseSymbol([]byte(line))
		if ok && (len(name) == 0 || !strings.Contains(line, string(name)) || !strings.Contains(line, string(module))) {
			t.Errorf("%q: %x %q %q", line, at, name, module)
		}
	})
}

// Modules in the tree that are not on the list are hidden, unless they come or go.
func TestHiddenModules(t *testing.T) {
	const head, root, first, second, third = 0xffffffff83000000, 0xffffffff83000100, 0x1000, 0x2000, 0x3000
	ty := types(t, map[string]string{
		"module":       "state list next name:name kallsyms srcversion core_layout:span init_layout:span",
		"mod_kallsyms": "symtab num_symtab strtab", "mod_tree_root": "root.tree root", "latch_tree_root": "tree",
		"rb_node": "color rb_right rb_left", "mod_tree_node": "mod node", "latch_tree_node": "node",
	})
	withRoot := func(name string, typ any) error {
		if name == "mod_tree_root" {
			inner := &btf.Struct{Size: 16, Members: []btf.Member{{Name: "tree", Offset: 64, Type: &btf.Int{Size: 8}}}}
			*typ.(**btf.Struct) = &btf.Struct{Size: 16, Members: []btf.Member{{Name: "root", Type: inner}}}
			return nil
		}
		return ty(name, typ)
	}
	m := fakeMemory{}
	put := func(at uint64, name string, state uint64) { // a module with its node in the tree at +0x100
		m.word(at, state)
		m.text(at+24, name, nameLen)
		for off := uint64(24 + nameLen); off < 24+nameLen+48; off += 8 {
			m.word(at+off, 0)
		}
		m.word(at+0x100, at) // mod_tree_node.mod
		for off := uint64(8); off < 32; off += 8 {
			m.word(at+0x100+off, 0)
		}
	}
	put(first, "known", moduleLive)
	put(second, "rootkit", moduleLive)
	put(third, "going", 2)
	node := func(at uint64) uint64 { return at + 0x108 }
	m.word(root+8, node(second))
	m.word(node(second)+8, node(first))
	m.word(node(second)+16, node(third))
	m.word(head, first+8)
	m.word(first+8, head)
	check, err := kernel(listing, m, withRoot).Check("hidden_kernel_module")
	if err != nil {
		t.Fatal(err)
	}
	found, err := check()
	if err != nil || len(found) != 1 || found[0].Args["name"] != "rootkit" || found[0].Args["address"] != "0x2000" {
		t.Errorf("%v, %v", found, err)
	}
	m.word(first+8, second+8) // it shows itself again
	m.word(second+8, head)
	if found, err := check(); err != nil || len(found) != 0 {
		t.Errorf("%v, %v", found, err)
	}
	m.word(second+8, first+8) // a list that leads nowhere is an error, not an endless walk
	if _, err := check(); err == nil {
		t.Error("a list without an end was walked to it")
	}
	m.word(node(first)+8, node(second)) // so is such a tree
	if _, err := check(); err == nil {
		t.Error("a tree without an end was walked to it")
	}
}

// What the kernel's own tracers patch is not told, what a module does is.
func TestFtrace(t *testing.T) {
	const list, end, tracers = 0xffffffff84000000, 0xffffffff84000100, 0x5000
	text := listing + "ffffffff84000000 D ftrace_ops_list\nffffffff84000100 D ftrace_list_end\n"
	ty := types(t, map[string]string{
		"ftrace_ops": "func next flags trampoline func_hash", "ftrace_ops_hash": "notrace_hash filter_hash",
		"ftrace_hash": "size_bits buckets count", "ftrace_func_entry": "hlist ip direct",
	})
	m := fakeMemory{}
	for i, function := range []uint64{0xffffffff81000200, 0xffffffffc0000000} { // the kernel's, a module's
		ops, next := uint64(tracers+0x1000*i), uint64(tracers+0x1000*(i+1))
		if i == 1 {
			next = end
		}
		hash, buckets, entry := ops+0x200, ops+0x300, ops+0x400
		for j, v := range []uint64{function, next, ftraceSaveRegs | ftraceModify, 0x7000, ops + 0x100} {
			m.word(ops+8*uint64(j), v)
		}
		m.word(ops+0x108, hash)
		for j, v := range []uint64{0, buckets, 1} {
			m.word(hash+8*uint64(j), v)
		}
		m.word(buckets, entry)
		for j, v := range []uint64{0, 0xffffffff81000104, 0} {
			m.word(entry+8*uint64(j), v)
		}
	}
	m.word(list, tracers)
	check, err := kernel(text, m, ty).Check("ftrace_hook")
	if err != nil {
		t.Fatal(err)
	}
	found, err := check()
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	for name, want := range map[string]any{"symbol": "acct", "flags": "R I", "count": uint64(2), "trampoline": "0x7000", "callback_owner": ownerUnknown} {
		if found[0].Args[name] != want {
			t.Errorf("%s: %v, want %v", name, found[0].Args[name], want)
		}
	}
}

func TestMissingType(t *testing.T) {
	_, err := kernel(listing, fakeMemory{}, types(t, nil)).Check("hidden_kernel_module")
	if err == nil || !strings.Contains(err.Error(), "struct module") {
		t.Error(err)
	}
}
