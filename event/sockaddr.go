package event

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"unsafe"
)

// Address families, <linux/socket.h>.
const (
	AFUnspec = 0
	AFUnix   = 1
	AFInet   = 2
	AFInet6  = 10
)

// showAbstract marks an abstract AF_UNIX name, which starts with a NUL, by "@" as tools show it. It writes in place,
// so it runs once, when a record is decoded.
func showAbstract(b []byte) {
	if len(b) > 3 && binary.NativeEndian.Uint16(b) == AFUnix && b[2] == 0 && b[3] != 0 {
		b[2] = '@'
	}
}

// parseSockaddr reads what the kernel keeps: struct sockaddr_un, _in or _in6, possibly cut short.
func parseSockaddr(b []byte) Sockaddr {
	if len(b) < 2 {
		return Sockaddr{}
	}
	sa := Sockaddr{Family: binary.NativeEndian.Uint16(b)}
	switch sa.Family {
	case AFUnix:
		p := b[2:]
		for i, c := range p {
			if c == 0 {
				p = p[:i]
				break
			}
		}
		sa.Path = unsafe.String(unsafe.SliceData(p), len(p))
	case AFInet:
		if len(b) >= 8 {
			sa.Port = binary.BigEndian.Uint16(b[2:])
			sa.Addr = netip.AddrFrom4([4]byte(b[4:8]))
		}
	case AFInet6:
		if len(b) >= 24 {
			sa.Port = binary.BigEndian.Uint16(b[2:])
			sa.FlowInfo = binary.BigEndian.Uint32(b[4:])
			sa.Addr = netip.AddrFrom16([16]byte(b[8:24]))
		}
		if len(b) >= 28 {
			sa.ScopeID = binary.NativeEndian.Uint32(b[24:])
		}
	}
	return sa
}

// Bytes is the inverse of the decoder: the address as it stands in a decoded record.
func (s Sockaddr) Bytes() []byte {
	b := binary.NativeEndian.AppendUint16(nil, s.Family)
	switch s.Family {
	case AFUnix:
		b = append(append(b, s.Path...), 0)
	case AFInet:
		b = binary.BigEndian.AppendUint16(b, s.Port)
		a := netip.IPv4Unspecified().As4()
		if s.Addr.Is4() || s.Addr.Is4In6() {
			a = s.Addr.Unmap().As4()
		}
		b = append(append(b, a[:]...), 0, 0, 0, 0, 0, 0, 0, 0)
	case AFInet6:
		b = binary.BigEndian.AppendUint16(b, s.Port)
		b = binary.BigEndian.AppendUint32(b, s.FlowInfo)
		a := netip.IPv6Unspecified().As16()
		if s.Addr.IsValid() {
			a = s.Addr.As16()
		}
		b = append(b, a[:]...)
		b = binary.NativeEndian.AppendUint32(b, s.ScopeID)
	}
	return b
}

// FamilyName is the name rules see: "AF_UNIX".
func (s Sockaddr) FamilyName() string { return EncSocketDomain.Text(uint64(s.Family)) }

// A SockaddrField is one member of the object that rules see.
type SockaddrField struct{ Name, Value string }

// Fields returns the members of the object that rules see, all of them text, in the order of the text form.
func (s Sockaddr) Fields() []SockaddrField {
	f := []SockaddrField{{"sa_family", s.FamilyName()}}
	switch s.Family {
	case AFUnix:
		f = append(f, SockaddrField{"sun_path", s.Path})
	case AFInet:
		f = append(f, SockaddrField{"sin_addr", addrText(s.Addr, "0.0.0.0")}, SockaddrField{"sin_port", strconv.Itoa(int(s.Port))})
	case AFInet6:
		f = append(f, SockaddrField{"sin6_addr", addrText(s.Addr, "::")}, SockaddrField{"sin6_flowinfo", strconv.Itoa(int(s.FlowInfo))},
			SockaddrField{"sin6_port", strconv.Itoa(int(s.Port))}, SockaddrField{"sin6_scopeid", strconv.Itoa(int(s.ScopeID))})
	}
	return f
}

func addrText(a netip.Addr, none string) string {
	if !a.IsValid() {
		return none
	}
	return a.String()
}

// Text is the one text that rules written for Tracee up to v0.6.3 read:
// {'sa_family': 'AF_UNIX','sun_path': '/var/run/docker.sock'}.
func (s Sockaddr) Text() string { return string(s.AppendText(nil)) }

// AppendText appends Text to dst, without any other memory.
func (s Sockaddr) AppendText(dst []byte) []byte {
	dst = append(append(dst, "{'sa_family': '"...), s.FamilyName()...)
	switch s.Family {
	case AFUnix:
		dst = append(append(dst, "','sun_path': '"...), s.Path...)
	case AFInet:
		dst = appendAddr(append(dst, "','sin_addr': '"...), s.Addr, "0.0.0.0")
		dst = strconv.AppendUint(append(dst, "','sin_port': '"...), uint64(s.Port), 10)
	case AFInet6:
		dst = appendAddr(append(dst, "','sin6_addr': '"...), s.Addr, "::")
		dst = strconv.AppendUint(append(dst, "','sin6_flowinfo': '"...), uint64(s.FlowInfo), 10)
		dst = strconv.AppendUint(append(dst, "','sin6_port': '"...), uint64(s.Port), 10)
		dst = strconv.AppendUint(append(dst, "','sin6_scopeid': '"...), uint64(s.ScopeID), 10)
	}
	return append(dst, "'}"...)
}

func appendAddr(dst []byte, a netip.Addr, none string) []byte {
	if !a.IsValid() {
		return append(dst, none...)
	}
	return a.AppendTo(dst)
}

// sockaddrFromFields undoes Fields. It reports false when the object would not come out the same.
func sockaddrFromFields(m map[string]any) (Sockaddr, bool) {
	str := func(k string) string { s, _ := m[k].(string); return s }
	num := func(k string, bits int) uint64 { n, _ := strconv.ParseUint(str(k), 10, bits); return n }
	fam, ok := EncSocketDomain.Number(str("sa_family"))
	if !ok || fam > 1<<16-1 {
		return Sockaddr{}, false
	}
	sa := Sockaddr{Family: uint16(fam)}
	switch sa.Family {
	case AFUnix:
		sa.Path = str("sun_path")
	case AFInet:
		sa.Addr, _ = netip.ParseAddr(str("sin_addr"))
		sa.Port = uint16(num("sin_port", 16))
	case AFInet6:
		sa.Addr, _ = netip.ParseAddr(str("sin6_addr"))
		sa.Port = uint16(num("sin6_port", 16))
		sa.FlowInfo, sa.ScopeID = uint32(num("sin6_flowinfo", 32)), uint32(num("sin6_scopeid", 32))
	}
	fields := parseSockaddr(sa.Bytes()).Fields()
	if len(fields) != len(m) {
		return Sockaddr{}, false
	}
	for _, f := range fields {
		if m[f.Name] != f.Value {
			return Sockaddr{}, false
		}
	}
	return sa, true
}
