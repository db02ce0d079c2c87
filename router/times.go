package router

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Times is a weekly interval. The zero value is always open.
type Times struct {
	Days  string // "mon-fri", "sat,sun"; empty: every day
	Hours string // "09:00-18:00", "22:00-06:00" (over midnight), several separated by commas; empty: all day
	TZ    string // an IANA name; empty: UTC
}

type interval struct {
	name  string
	days  [7]bool
	hours [][2]int // minutes of the day; the end may lie on the next day
	tz    *time.Location
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (x Times) compile(name string) (*interval, error) {
	fail := func(field, format string, a ...any) (*interval, error) {
		return nil, &Error{[]string{"times", name, field}, fmt.Sprintf(format, a...)}
	}
	iv := &interval{name: name}
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
	var h, m int
	if n, err := fmt.Sscanf(strings.TrimSpace(s), "%d:%d", &h, &m); n != 2 || err != nil {
		return 0, fmt.Errorf("not a time")
	}
	if h < 0 || h > 24 || m < 0 || m > 59 || (h == 24 && m > 0) {
		return 0, fmt.Errorf("not a time")
	}
	return h*60 + m, nil
}

// next returns now while the interval is open, or else when it opens.
func (iv *interval) next(now time.Time) time.Time {
	t := now.In(iv.tz)
	var best time.Time
	for day := -1; day <= 8; day++ {
		// Built from the date, so that a day of 23 or 25 hours is right.
		y, m, d := t.Year(), t.Month(), t.Day()+day
		if !iv.days[time.Date(y, m, d, 12, 0, 0, 0, iv.tz).Weekday()] {
			continue
		}
		for _, h := range iv.hours {
			start := time.Date(y, m, d, 0, h[0], 0, 0, iv.tz)
			end := time.Date(y, m, d, 0, h[1], 0, 0, iv.tz)
			if !now.Before(end) {
				continue
			}
			if !now.Before(start) {
				return now
			}
			if best.IsZero() || start.Before(best) {
				best = start
			}
		}
	}
	if best.IsZero() { // an interval opens at least once a week
		return now
	}
	return best
}
