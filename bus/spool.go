package bus

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tocsin-io/tocsin/finding"
)

// Spool keeps findings on disk while NATS can't be reached. It is bounded: when it is full, it sheds what is least severe,
// and counts that.
//
// On disk there is one chain of segment files for each severity, <severity>-<first number>.seg. A record is
//
//	length u32 · CRC-32C u32 · number u64 · length of subject u16 · subject · length of id u16 · id · data
//
// in little endian, where the length and the checksum cover what follows the checksum. Numbers order the records of all
// chains. A segment is deleted when all of it is published: what a crash repeats has the same ids.
//
// A Spool is safe for concurrent use by one writer and one reader.
type Spool struct {
	dir     string
	max     int64
	segment int64

	mu      sync.Mutex
	chains  [finding.Critical + 1]chain
	next    uint64 // number of the next record
	size    int64
	len     int
	shed    [finding.Critical + 1]uint64
	corrupt uint64
}

// chain is the segments of one severity, oldest first. The last one may be open for writing.
type chain struct {
	segments []*segment
	out      *os.File // the last segment

	// Reading: head is the next record, of segments[at].
	at     int
	in     *bufio.Reader
	inFile *os.File
	head   *record
}

type segment struct {
	path    string
	size    int64
	records int
	given   int // taken
	done    int // committed
	gone    bool
}

type record struct {
	number      uint64
	severity    finding.Severity
	subject, id string
	data        []byte
}

const (
	defaultSpool   = 256 << 20
	maxSegment     = 1 << 20
	recordHeader   = 8
	maxRecord      = 64 << 20
	spoolSuffix    = ".seg"
	spoolFileMode  = 0o600
	spoolDirectory = 0o700
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// OpenSpool opens the spool in a directory, with what an earlier process left there. maxBytes bounds it; 0 means 256 MiB.
// A record that was torn by a crash, or is damaged, ends its segment, and is counted.
func OpenSpool(dir string, maxBytes int64) (*Spool, error) {
	if maxBytes <= 0 {
		maxBytes = defaultSpool
	}
	if err := os.MkdirAll(dir, spoolDirectory); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	s := &Spool{dir: dir, max: maxBytes, segment: min(maxSegment, max(maxBytes/16, 4096))}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	for _, e := range entries { // sorted by name, and so by number
		name, ok := strings.CutSuffix(e.Name(), spoolSuffix)
		sev, first, ok2 := strings.Cut(name, "-")
		if !ok || !ok2 {
			continue
		}
		severity, err := strconv.Atoi(sev)
		if _, err2 := strconv.ParseUint(first, 16, 64); err != nil || err2 != nil || severity < 0 || severity > int(finding.Critical) {
			continue
		}
		if err := s.scan(finding.Severity(severity), filepath.Join(dir, e.Name())); err != nil {
			return nil, fmt.Errorf("open spool: %w", err)
		}
	}
	return s, nil
}

// scan takes a segment in.
func (s *Spool) scan(sev finding.Severity, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	seg := &segment{path: path}
	r := bufio.NewReaderSize(f, 64<<10)
	for {
		rec, n, err := readRecord(r, sev)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil { // torn or damaged: what follows can't be found
			s.corrupt++
			break
		}
		seg.size += n
		seg.records++
		s.next = max(s.next, rec.number+1)
	}
	if seg.records == 0 {
		return os.Remove(path)
	}
	if seg.size < info.Size() {
		if err := os.Truncate(path, seg.size); err != nil {
			return err
		}
	}
	c := &s.chains[sev]
	c.segments = append(c.segments, seg)
	s.size += seg.size
	s.len += seg.records
	return nil
}

func readRecord(r io.Reader, sev finding.Severity) (*record, int64, error) {
	var head [recordHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, 0, err // io.EOF exactly at the end of a record
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n < 12 || n > maxRecord {
		return nil, 0, errors.New("the length of a record is impossible")
	}
	body, err := io.ReadAll(io.LimitReader(r, int64(n))) // grows with what is there, whatever the length says
	if err != nil || len(body) < int(n) {
		return nil, 0, io.ErrUnexpectedEOF
	}
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, 0, errors.New("the checksum of a record is wrong")
	}
	rec := &record{number: binary.LittleEndian.Uint64(body), severity: sev}
	rest, ok1 := body[8:], false
	if rec.subject, rest, ok1 = cutText(rest); !ok1 {
		return nil, 0, errors.New("a record is malformed")
	}
	if rec.id, rest, ok1 = cutText(rest); !ok1 {
		return nil, 0, errors.New("a record is malformed")
	}
	rec.data = rest
	return rec, recordHeader + int64(n), nil
}

func cutText(b []byte) (string, []byte, bool) {
	if len(b) < 2 {
		return "", nil, false
	}
	n := int(binary.LittleEndian.Uint16(b))
	if len(b) < 2+n {
		return "", nil, false
	}
	return string(b[2 : 2+n]), b[2+n:], true
}

func (r *record) encode() []byte {
	n := 8 + 2 + len(r.subject) + 2 + len(r.id) + len(r.data)
	b := make([]byte, recordHeader, recordHeader+n)
	b = binary.LittleEndian.AppendUint64(b, r.number)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(r.subject)))
	b = append(b, r.subject...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(r.id)))
	b = append(b, r.id...)
	b = append(b, r.data...)
	binary.LittleEndian.PutUint32(b, uint32(n))
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[recordHeader:], castagnoli))
	return b
}

// append stores records and returns when they are on disk. What there is no room for is shed and counted: what is less
// severe first, and a record itself when all that is there is at least as severe.
func (s *Spool) append(list []*record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	touched := map[*os.File]bool{}
	for _, r := range list {
		r.number = s.next
		s.next++
		b := r.encode()
		if !s.makeRoom(int64(len(b)), r.severity) {
			s.shed[r.severity]++
			continue
		}
		out, seg, err := s.writable(r)
		if err != nil {
			return fmt.Errorf("write spool: %w", err)
		}
		if n, err := out.Write(b); err != nil {
			// A torn record must not stand before whole ones.
			err = errors.Join(err, out.Truncate(seg.size))
			if n > 0 {
				_, e := out.Seek(seg.size, io.SeekStart)
				err = errors.Join(err, e)
			}
			return fmt.Errorf("write spool: %w", err)
		}
		seg.size += int64(len(b))
		seg.records++
		s.size += int64(len(b))
		s.len++
		touched[out] = true
	}
	for f := range touched {
		if err := f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) { // one that is closed has been synced
			return fmt.Errorf("sync spool: %w", err)
		}
	}
	return nil
}

// makeRoom deletes the oldest segments of what is less severe than sev until n bytes fit.
func (s *Spool) makeRoom(n int64, sev finding.Severity) bool {
	for s.size+n > s.max {
		victim := -1
		for i := range int(sev) {
			if len(s.chains[i].segments) > 0 {
				victim = i
				break
			}
		}
		if victim < 0 {
			return false
		}
		seg := s.chains[victim].segments[0]
		s.shed[victim] += uint64(seg.records - seg.done)
		s.remove(&s.chains[victim], seg)
	}
	return true
}

// remove deletes a segment with what is left in it.
func (s *Spool) remove(c *chain, seg *segment) {
	i := slices.Index(c.segments, seg)
	if i == len(c.segments)-1 && c.out != nil {
		c.out.Close()
		c.out = nil
	}
	switch {
	case i < c.at:
		c.at--
	case i == c.at:
		c.stopReading()
	}
	os.Remove(seg.path)
	seg.gone = true
	s.size -= seg.size
	s.len -= seg.records - seg.done
	c.segments = slices.Delete(c.segments, i, i+1)
}

func (c *chain) stopReading() {
	if c.inFile != nil {
		c.inFile.Close()
	}
	c.in, c.inFile, c.head = nil, nil, nil
}

// writable returns the segment to write to.
func (s *Spool) writable(r *record) (*os.File, *segment, error) {
	c := &s.chains[r.severity]
	if n := len(c.segments); c.out != nil && n > 0 && c.segments[n-1].size < s.segment {
		return c.out, c.segments[n-1], nil
	}
	if c.out != nil {
		err := c.out.Sync()
		err = errors.Join(err, c.out.Close())
		c.out = nil
		if err != nil {
			return nil, nil, err
		}
	}
	path := filepath.Join(s.dir, fmt.Sprintf("%d-%016x%s", r.severity, r.number, spoolSuffix))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, spoolFileMode)
	if err != nil {
		return nil, nil, err
	}
	// The directory entry must survive, too.
	if d, err := os.Open(s.dir); err == nil {
		err = d.Sync()
		d.Close()
		if err != nil {
			f.Close()
			return nil, nil, err
		}
	}
	seg := &segment{path: path}
	c.out, c.segments = f, append(c.segments, seg)
	return f, seg, nil
}

// taken is a record that was given out, with where it came from.
type taken struct {
	*record
	seg *segment
}

// take returns the oldest records that were not taken yet, at most n. They stay until they are committed.
func (s *Spool) take(n int) ([]taken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []taken
	for len(out) < n {
		var best *chain
		for i := range s.chains {
			c := &s.chains[i]
			if err := s.peek(c, finding.Severity(i)); err != nil {
				return nil, err
			}
			if c.head != nil && (best == nil || c.head.number < best.head.number) {
				best = c
			}
		}
		if best == nil {
			break
		}
		seg := best.segments[best.at]
		out = append(out, taken{best.head, seg})
		best.head = nil
		seg.given++
	}
	return out, nil
}

// peek reads the chain's next record into its head, if there is one.
func (s *Spool) peek(c *chain, sev finding.Severity) error {
	for c.head == nil && c.at < len(c.segments) {
		seg := c.segments[c.at]
		if seg.given == seg.records {
			if c.at == len(c.segments)-1 {
				return nil // more may be written to it
			}
			c.stopReading()
			c.at++
			continue
		}
		if c.in == nil {
			f, err := os.Open(seg.path)
			if err != nil {
				return fmt.Errorf("read spool: %w", err)
			}
			c.inFile, c.in = f, bufio.NewReaderSize(f, 64<<10)
			for range seg.given {
				if _, _, err := readRecord(c.in, sev); err != nil {
					return s.damaged(c, seg, err)
				}
			}
		}
		rec, _, err := readRecord(c.in, sev)
		if err != nil {
			return s.damaged(c, seg, err)
		}
		c.head = rec
	}
	return nil
}

// damaged gives a segment up that could be read when it was opened.
func (s *Spool) damaged(c *chain, seg *segment, cause error) error {
	s.corrupt += uint64(seg.records - seg.given)
	c.stopReading()
	s.remove(c, seg)
	return fmt.Errorf("read spool %s: %w: the rest of the file is lost", seg.path, cause)
}

// commit removes records that were taken: they are published.
func (s *Spool) commit(list []taken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range list {
		if t.seg.gone {
			continue
		}
		t.seg.done++
		s.len--
		if t.seg.done == t.seg.records {
			s.remove(&s.chains[t.severity], t.seg)
		}
	}
}

// rewind lets take begin again with the oldest record that is not committed.
func (s *Spool) rewind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.chains {
		c := &s.chains[i]
		c.stopReading()
		c.at = 0
		for _, seg := range c.segments {
			seg.given = seg.done
		}
	}
}

// Close closes the files. What is in them is there at the next OpenSpool.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for i := range s.chains {
		c := &s.chains[i]
		c.stopReading()
		if c.out != nil {
			err = errors.Join(err, c.out.Close())
			c.out = nil
		}
	}
	return err
}

// SpoolStats say what the spool holds, and what it lost.
type SpoolStats struct {
	Findings int
	Bytes    int64
	Shed     map[finding.Severity]uint64 // for want of room
	Corrupt  uint64                      // records or ends of files that could not be read
}

// Stats returns the counts.
func (s *Spool) Stats() SpoolStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := SpoolStats{Findings: s.len, Bytes: s.size, Shed: map[finding.Severity]uint64{}, Corrupt: s.corrupt}
	for i, n := range s.shed {
		if n > 0 {
			st.Shed[finding.Severity(i)] = n
		}
	}
	return st
}

// Len is the number of findings in the spool.
func (s *Spool) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.len
}
