package router

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Times is a weekly interval. The zero value is always open.
type Times struct {
	Days  string // "mon-fri", "sat,sun"; empty: every day
	Hours string // "09:00-18:00", "22:00-06:00" (over midnight), several separated by commas; empty: all day
	TZ    string // an IANA name; empty: UTC
	Not   bool   // all other times instead
}

type interval struct {
	name  string
	days  [7]bool
	hours [][2]int // minutes of the day; the end may lie on the next day
	tz    *time.Location
	not   bool
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (x Times) compile(name string) (*interval, error) {
	fail := func(field, format string, a ...any) (*interval, error) {
		return nil, &Error{[]string{"times", name, field}, fmt.Sprintf(format, a...)}
	}
	iv := &interval{name: name, not: x.Not}
	var err error
	if iv.tz, err = time.LoadLocation(x.TZ); err != nil {
		return fail("tz", "unknown time zone %q: use a name such as Europe/Berlin", x.TZ)
	}
	for part := range strings.SplitSeq(strings.ToLower(x.Days), ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if x.Days == "" {
			from, to, isRange = "mon", "sun", true
		}
		if !isRange {
			to = from
		}
		i, j := slices.Index(weekdays, from), slices.Index(weekdays, to)
		if i < 0 || j < 0 {
			return fail("days", "%q is not a day or a range of days: use mon, tue, wed, thu, fri, sat, sun", part)
		}
		for ; ; i = (i + 1) % 7 {
			iv.days[i] = true
			if i == j {
				break
			}
		}
	}
	for part := range strings.SplitSeq(x.Hours, ",") {
		if x.Hours == "" {
			part = "00:00-24:00"
		}
		from, to, ok := strings.Cut(strings.TrimSpace(part), "-")
		a, err1 := minutes(from)
		b, err2 := minutes(to)
		if !ok || err1 != nil || err2 != nil || a == b {
			return fail("hours", "%q is not a range of hours such as 09:00-18:00", part)
		}
		if b < a {
			b += 24 * 60
		}
		iv.hours = append(iv.hours, [2]int{a, b})
	}
	return iv, nil
}

func minutes(s string) (int, error) {
	hour, minute, _ := strings.Cut(strings.TrimSpace(s), ":")
	h, err1 := strconv.ParseUint(hour, 10, 8)
	m, err2 := strconv.ParseUint(minute, 10, 8)
	if err1 != nil || err2 != nil || len(minute) != 2 || h > 24 || m > 59 || (h == 24 && m > 0) {
		return 0, errors.New("not a time")
	}
	return int(h*60 + m), nil
}

// spans calls f with each span of the interval from the day before t on, until f returns false or nine days are over.
func (iv *interval) spans(t time.Time, f func(start, end time.Time) bool) {
	t = t.In(iv.tz)
	for day := -1; day <= 8; day++ {
		// Built from the date, so that a day of 23 or 25 hours is right.
		y, m, d := t.Year(), t.Month(), t.Day()+day
		if !iv.days[time.Date(y, m, d, 12, 0, 0, 0, iv.tz).Weekday()] {
			continue
		}
		for _, h := range iv.hours {
			if !f(time.Date(y, m, d, 0, h[0], 0, 0, iv.tz), time.Date(y, m, d, 0, h[1], 0, 0, iv.tz)) {
				return
			}
		}
	}
}

// next returns now while the interval is open, or else when it opens.
func (iv *interval) next(now time.Time) time.Time {
	if iv.not {
		// The end of the last of the spans that now and what follows lie in, without a gap.
		open := now
		for again := true; again; {
			again = false
			iv.spans(open, func(start, end time.Time) bool {
				if !open.Before(start) && open.Before(end) {
					open, again = end, true
				}
				return true
			})
			if open.Sub(now) > 8*24*time.Hour { // all week long: it never opens
				return now
			}
		}
		return open
	}
	var best time.Time
	iv.spans(now, func(start, end time.Time) bool {
		switch {
		case !now.Before(end):
		case !now.Before(start):
			best = now
			return false
		case best.IsZero() || start.Before(best):
			best = start
		}
		return true
	})
	if best.IsZero() { // an interval opens at least once a week
		return now
	}
	return best
}

// opens returns when the first of the intervals opens: now, while one is open.
func opens(list []*interval, now time.Time) (at time.Time, name string) {
	for i, iv := range list {
		if t := iv.next(now); i == 0 || t.Before(at) {
			at, name = t, iv.name
		}
	}
	return at, name
}
