package event

// Selection says which occurrences of one event somebody needs. The detector derives selections from its rules and
// "trace" from its flags; the sensor attaches only selected events, and may push clauses into the kernel.
//
// A sensor may let more through than selected, never less: whoever asked checks again.
type Selection struct {
	Event string
	// Clauses: the occurrence is wanted when any of them holds. None at all means every occurrence is wanted.
	Clauses []Clause
}

// Clause is a conjunction: the origin is one of Origins, and every condition holds.
type Clause struct {
	Origins Origins // zero means any
	Conds   []Cond
}

// Origins is a set of origins.
type Origins uint8

// Origins that a selection can name.
const (
	InHost          Origins = 1 << OriginHost
	InContainer     Origins = 1 << OriginContainer
	InContainerInit Origins = 1 << OriginContainerInit
)

// Has reports whether o is in the set. The empty set has every origin.
func (s Origins) Has(o Origin) bool { return s == 0 || s&(1<<o) != 0 }

// Cond is one condition: Field relates by Op to at least one of the values.
//
// Field is an argument's name ("pathname", "flags"), a part of an address argument ("remote_addr.sun_path",
// "remote_addr.sin_port", "remote_addr.sin_addr"), or a property of the task with an "@": "@comm", "@uid", "@pid" and
// "@tid" (host ids), "@mntns", "@pidns", "@cgroup", "@container" (id), "@exe".
// An absent argument holds no condition but a negated one.
type Cond struct {
	Field string
	Op    Op
	Strs  []string // for the operators on text
	Nums  []uint64 // for the operators on numbers; the raw value, not its text. Bits: pairs of mask and value
	Not   bool     // the field relates to none of the values, or is absent
}

// Op relates a field to values.
type Op uint8

// Operators. Text compares bytewise. Numbers compare as the argument's type says, signed or unsigned.
const (
	OpEqual Op = iota
	OpPrefix
	OpSuffix
	OpContains
	OpBits // v & mask == value, for any pair
	OpLess
	OpGreater
	OpCIDR // Strs are "10.0.0.0/8"
)
