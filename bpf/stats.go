package bpf

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/tocsin-io/tocsin/event"
)

// EventStats counts the occurrences of one event that somebody wants: each is either emitted or lost.
type EventStats struct {
	Attempted uint64
	Emitted   uint64
	// Losses in the kernel, by cause.
	LostRing    uint64 // the ring was full: the reader is too slow
	LostScratch uint64 // too many programs at once on one CPU
	LostBudget  uint64 // its control group used up its share
}

// Lost is the sum of all losses.
func (s EventStats) Lost() uint64 { return s.LostRing + s.LostScratch + s.LostBudget }

// Stats are counts since the sensor was opened.
type Stats struct {
	Events map[string]EventStats // by name; events that were never attempted are left out
	// Undecoded records came out of the ring malformed.
	Undecoded uint64
	// Unscanned looks through the kernel's memory ended in an error, of which ScanError is the last.
	Unscanned uint64
	ScanError error
	// Unseen are packets that were not looked into, or that looked like DNS or HTTP and could not be parsed, by cause.
	Unseen map[string]uint64
	// Missed are calls of programs that the kernel left out, by where the program is: while one task is preempted inside of it, the
	// kernel does not call it for others on that processor. What would have come of them is not known, and most calls of the
	// dispatchers are for nobody: they are no part of Lost. Kernels before 5.12 do not count them.
	Missed map[string]uint64
	// RingUsed and RingSize are bytes in the ring buffer.
	RingUsed, RingSize int
}

// packetCauses are the causes of packet.bpf.c.
var packetCauses = []string{"IPv6 extension headers", "unreadable", "unknown owner", "fragment", "no query to port 53"}

// Lost is the sum of all losses.
func (s Stats) Lost() uint64 {
	n := s.Undecoded
	for _, u := range s.Unseen {
		n += u
	}
	for _, e := range s.Events {
		n += e.Lost()
	}
	return n
}

// Stats returns the counts of all events that were ever selected. Counters are read one after the other while the kernel goes on counting.
func (s *Sensor) Stats() (Stats, error) {
	out := Stats{Events: map[string]EventStats{}, Undecoded: s.undecoded.Load(), Unseen: map[string]uint64{}, Missed: map[string]uint64{}, RingUsed: s.reader.AvailableBytes(), RingSize: s.reader.BufferSize()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scanner.mu.Lock()
	out.Unscanned, out.ScanError = s.scanner.failed, s.scanner.failure
	for id, n := range s.scanner.counts {
		out.Events[event.ByID(id).Name] = EventStats{Attempted: n, Emitted: n}
	}
	s.scanner.mu.Unlock()
	for i, cause := range packetCauses {
		var perCPU []uint64
		if err := s.loader.maps["packets_unseen"].Lookup(uint32(i), &perCPU); err != nil {
			return out, fmt.Errorf("read counters of packets: %w", err)
		}
		for _, n := range perCPU {
			if n > 0 {
				out.Unseen[cause] += n
			}
		}
	}
	for why, n := range s.unparsed {
		if n := n.Load(); n > 0 {
			out.Unseen[why.Error()] = n
		}
	}
	var perCPU []EventStats
	for id := range s.counted {
		def := event.ByID(id)
		if err := s.loader.maps["stats"].Lookup(uint32(def.ID), &perCPU); err != nil {
			return out, fmt.Errorf("read counters of %s: %w", def.Name, err)
		}
		var sum EventStats
		for _, c := range perCPU {
			sum.Attempted += c.Attempted
			sum.Emitted += c.Emitted
			sum.LostRing += c.LostRing
			sum.LostScratch += c.LostScratch
			sum.LostBudget += c.LostBudget
		}
		if sum != (EventStats{}) {
			out.Events[def.Name] = sum
		}
	}
	return out, s.missed(out.Missed)
}

func (s *Sensor) missed(out map[string]uint64) error {
	places := map[string]*program{"sys_exit": s.loader.exit, "sys_enter": s.loader.enter}
	for a, p := range s.attached {
		places[string(a.kind)+" "+a.to] = p
	}
	for place, p := range places {
		if p == nil {
			continue
		}
		for _, part := range p.parts {
			prog, ok := part.(*ebpf.Program)
			if !ok {
				continue
			}
			stats, err := prog.Stats()
			if err != nil {
				return fmt.Errorf("read counters of the program on %s: %w", place, err)
			}
			if stats.RecursionMisses > 0 {
				out[place] += stats.RecursionMisses
			}
		}
	}
	return nil
}
