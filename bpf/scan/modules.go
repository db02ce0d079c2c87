package scan

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// modules knows where the kernel keeps its modules.
type modules struct {
	k *Kernel

	list, kset, tree uint64 // 0 where there is none

	name, link, state, srcversion uint64 // of struct module
	symbols, table, count, texts  uint64 // … and of its symbols
	spans                         []memoryFields

	entry, object, module       uint64 // of a kobject on its list; of struct module_kobject
	roots, right, left, treeMod uint64 // from a struct rb_node
}

// memoryFields are offsets, in struct module, of a part of its memory.
type memoryFields struct{ base, size uint64 }

const nameLen = 56 // MODULE_NAME_LEN on machines of 64 bits

// newModules looks up what is needed to find modules.
func (k *Kernel) newModules() (*modules, error) {
	m := &modules{k: k}
	list, err := k.symbols.find("modules")
	if err != nil {
		return nil, err
	}
	m.list = list.start
	f := &fields{types: k.types}
	m.name, m.link, m.state, m.srcversion = f.of("module", "name"), f.of("module", "list"), f.of("module", "state"), f.of("module", "srcversion")
	m.symbols = f.of("module", "kallsyms")
	m.table, m.count, m.texts = f.of("mod_kallsyms", "symtab"), f.of("mod_kallsyms", "num_symtab"), f.of("mod_kallsyms", "strtab")
	if f.has("module", "mem") { // since 6.4
		typ, at := f.member("module", "mem")
		base, size, each := f.of("module_memory", "base"), f.of("module_memory", "size"), f.size("module_memory")
		for i := range arrayLen(typ) {
			m.spans = append(m.spans, memoryFields{at + uint64(i)*each + base, at + uint64(i)*each + size})
		}
	} else {
		for _, part := range []string{"core_layout", "init_layout"} {
			m.spans = append(m.spans, memoryFields{f.of("module", part+".base"), f.of("module", part+".size")})
		}
	}
	if kset, err := k.symbols.find("module_kset"); err == nil {
		m.kset = kset.start
		m.entry, m.object, m.module = f.of("kobject", "entry"), f.of("module_kobject", "kobj"), f.of("module_kobject", "mod")
	}
	if tree, err := k.symbols.find("mod_tree"); err == nil {
		m.tree = tree.start
		m.roots = f.of("mod_tree_root", "root.tree")
		m.right, m.left = f.of("rb_node", "rb_right"), f.of("rb_node", "rb_left")
		m.treeMod = f.of("mod_tree_node", "mod") - f.of("mod_tree_node", "node") - f.of("latch_tree_node", "node")
	}
	return m, f.err
}

// listed returns the modules that /proc/modules shows, by the addresses of their struct module.
func (m *modules) listed() (map[uint64]bool, error) {
	links, err := m.k.list(m.list)
	if err != nil {
		return nil, err
	}
	out := map[uint64]bool{}
	for _, l := range links {
		out[l-m.link] = true
	}
	return out, nil
}

// elsewhere returns the modules that the kernel knows from the tree by which it finds the module of an address, and from the folders
// in /sys/module.
func (m *modules) elsewhere() (map[uint64]bool, error) {
	out := map[uint64]bool{}
	if m.tree != 0 {
		root, err := m.k.word(m.tree + m.roots)
		if err != nil {
			return nil, err
		}
		for todo := []uint64{root}; len(todo) > 0; {
			node := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if node == 0 {
				continue
			}
			mod, err1 := m.k.word(node + m.treeMod)
			left, err2 := m.k.word(node + m.left)
			right, err3 := m.k.word(node + m.right)
			if err := errors.Join(err1, err2, err3); err != nil {
				return nil, err
			}
			if len(out) > limit || len(todo) > limit {
				return nil, errChanged
			}
			out[mod] = true
			todo = append(todo, left, right)
		}
	}
	if m.kset != 0 {
		set, err := m.k.word(m.kset) // the list is the first of struct kset
		if err != nil {
			return nil, err
		}
		links, err := m.k.list(set)
		if err != nil {
			return nil, err
		}
		for _, l := range links {
			mod, err := m.k.word(l - m.entry - m.object + m.module)
			if err != nil {
				return nil, err
			}
			if mod != 0 { // 0 is a folder of what is compiled in
				out[mod] = true
			}
		}
	}
	return out, nil
}

// A module, listed or not.
type module struct {
	at    uint64
	name  string
	spans []span
}

// all returns every module, with where it is.
func (m *modules) all() ([]module, error) {
	seen, err := m.elsewhere()
	if err != nil {
		return nil, err
	}
	listed, err := m.listed()
	if err != nil {
		return nil, err
	}
	for at := range listed {
		seen[at] = true
	}
	var out []module
	for at := range seen {
		mod := module{at: at}
		if mod.name, err = m.k.text(at+m.name, nameLen); err != nil {
			return nil, err
		}
		for _, f := range m.spans {
			base, err1 := m.k.word(at + f.base)
			size, err2 := m.k.number(at + f.size)
			if err := errors.Join(err1, err2); err != nil {
				return nil, err
			}
			if base != 0 && size != 0 {
				mod.spans = append(mod.spans, span{base, base + uint64(size)})
			}
		}
		out = append(out, mod)
	}
	slices.SortFunc(out, func(a, b module) int { return cmp.Compare(a.at, b.at) })
	return out, nil
}

// hiddenModules finds modules that are somewhere in the kernel, and not on the list.
func (k *Kernel) hiddenModules() (Check, error) {
	m, err := k.newModules()
	if err != nil {
		return nil, err
	}
	if m.tree == 0 && m.kset == 0 {
		return nil, errors.New("/proc/kallsyms lists neither mod_tree nor module_kset")
	}
	look := func() ([]Found, error) {
		others, err := m.elsewhere()
		if err != nil {
			return nil, err
		}
		listed, err := m.listed()
		if err != nil {
			return nil, err
		}
		var out []Found
		for at := range others {
			if listed[at] {
				continue
			}
			name, err1 := k.text(at+m.name, nameLen)
			state, err2 := k.number(at + m.state)
			if err1 != nil || err2 != nil || name == "" || state != moduleLive {
				continue // on its way in or out
			}
			version := ""
			if p, err := k.word(at + m.srcversion); err == nil && p != 0 {
				version, _ = k.text(p, 64)
			}
			out = append(out, Found{map[string]any{"address": hex(at), "name": name, "srcversion": version}})
		}
		return out, nil
	}
	return func() ([]Found, error) {
		found, err := look()
		if err != nil || len(found) == 0 {
			return nil, err
		}
		time.Sleep(unloading)
		return confirmed(look)()
	}, nil
}

const (
	moduleLive = 0 // MODULE_STATE_LIVE
	// unloading is more than a module that is unloaded takes from the one list to the other.
	unloading = 50 * time.Millisecond
)

// Owners of functions besides modules.
const (
	ownerHidden  = "hidden" // what Tracee calls what has no symbol
	ownerKernel  = "system" // … and the kernel
	ownerUnknown = ""
)

// An owner has a function.
type owner struct{ function, module string }

// owners knows what the modules have at one time.
type owners struct {
	k    *Kernel
	mods []module
}

func (k *Kernel) owners() (*owners, error) {
	o := &owners{k: k}
	if k.mods == nil {
		return o, nil
	}
	var err error
	o.mods, err = k.mods.all()
	return o, err
}

// module returns the one that an address is in, or nil.
func (o *owners) module(at uint64) *module {
	for i := range o.mods {
		for _, s := range o.mods[i].spans {
			if s.has(at) {
				return &o.mods[i]
			}
		}
	}
	return nil
}

// of returns whose function is at an address outside of the kernel's text.
func (o *owners) of(at uint64) owner {
	if o.k.mods == nil {
		return owner{module: ownerUnknown}
	}
	mod := o.module(at)
	if mod == nil {
		return owner{module: ownerHidden}
	}
	name, _ := o.k.moduleSymbol(mod, at)
	return owner{name, mod.name}
}

// moduleSymbol returns the name of the module's function that an address is in, and how far in. It reads the module's own table of
// symbols: /proc/kallsyms does not show those of a hidden module.
func (k *Kernel) moduleSymbol(mod *module, at uint64) (name string, offset uint64) {
	const (
		size  = 24 // struct elf64_sym
		batch = 128
		most  = 1 << 16
	)
	syms, err := k.word(mod.at + k.mods.symbols)
	if err != nil {
		return "", 0
	}
	table, err1 := k.word(syms + k.mods.table)
	count, err2 := k.number(syms + k.mods.count)
	texts, err3 := k.word(syms + k.mods.texts)
	if err1 != nil || err2 != nil || err3 != nil || count > most {
		return "", 0
	}
	best, bestName := uint64(0), uint64(0)
	for from := uint32(0); from < count; from += batch {
		b := make([]byte, size*min(batch, count-from))
		if k.mem.Read(table+size*uint64(from), b) != nil {
			break
		}
		for ; len(b) > 0; b = b[size:] {
			if v := binary.NativeEndian.Uint64(b[8:]); v <= at && v > best {
				best, bestName = v, uint64(binary.NativeEndian.Uint32(b))
			}
		}
	}
	if best == 0 {
		return "", 0
	}
	name, err = k.text(texts+bestName, 128)
	if err != nil {
		return "", 0
	}
	return name, at - best
}
