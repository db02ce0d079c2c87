package native

import (
	"net"
	"net/netip"
	"strings"
)

// inNetworks returns the comparison that net.cidr_contains makes, with an address or a network, or nil when a network is
// none, or an unusual one.
func inNetworks(list []string) func(string) bool {
	var nets []netip.Prefix
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if _, _, err2 := net.ParseCIDR(s); err != nil || err2 != nil || p.Addr().Is4In6() {
			return nil
		}
		nets = append(nets, p.Masked())
	}
	return func(v string) bool {
		first, err := netip.ParseAddr(v)
		last := first
		if err != nil || first.Zone() != "" {
			if !strings.Contains(v, "/") {
				return false
			}
			_, n, err := net.ParseCIDR(v)
			if err != nil {
				return false
			}
			first, _ = netip.AddrFromSlice(n.IP)
			end := append(net.IP(nil), n.IP...)
			for i, m := range n.Mask {
				end[i] |= ^m
			}
			last, _ = netip.AddrFromSlice(end)
		}
		first, last = first.Unmap(), last.Unmap()
		for _, n := range nets {
			if n.Contains(first) && n.Contains(last) {
				return true
			}
		}
		return false
	}
}
