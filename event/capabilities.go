package event

import "fmt"

// Capabilities returns the names of the capabilities in a set of one bit each, such as Header.CapEff: "CAP_CHOWN", in the
// order of linux/capability.h. It is nil for none. A capability that is newer than the table is "CAP_<number>".
func Capabilities(set uint64) []string {
	var out []string
	names := codecs[EncCapability].names
	for i := 0; set != 0; i, set = i+1, set>>1 {
		switch {
		case set&1 == 0:
		case i < len(names):
			out = append(out, names[i].text)
		default:
			out = append(out, fmt.Sprintf("CAP_%d", i))
		}
	}
	return out
}
