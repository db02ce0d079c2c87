// Package table writes tables for people: fixed columns that fit the terminal, rows as they come or all at once.
package table

import (
	"bufio"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// Column is one column. The widths count cells of the terminal.
type Column struct {
	Title string
	// Width is fixed for a stream; for a whole table 0 means as wide as the widest cell.
	Width int
	// Flex columns share what the others leave of the terminal's width, and are cut to it. Without a terminal nothing is cut.
	Flex  bool
	Wrap  bool // a flexible column goes on in the next line instead of being cut
	Right bool // numbers
}

// Style colours a cell; the zero value leaves it as it is.
type Style string

// Styles, as SGR parameters (ECMA-48).
const (
	Plain  Style = ""
	Bold   Style = "1"
	Dim    Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Cyan   Style = "36"
	Alarm  Style = "1;37;41"
)

// Cell is a text with a style.
type Cell struct {
	Text  string
	Style Style
}

// T is a cell without a style.
func T(text string) Cell { return Cell{Text: text} }

// Writer writes rows. It is not safe for concurrent use.
type Writer struct {
	w     *bufio.Writer
	cols  []Column
	width int // of the terminal; 0 is no limit
	color bool
	rows  [][]Cell
}

const gap = 2

// New returns a table on w. It fits the terminal that w is; when w is none, COLUMNS sets a width, and nothing is coloured.
func New(w io.Writer, cols ...Column) *Writer {
	t := &Writer{w: bufio.NewWriter(w), cols: cols}
	t.width, t.color = Terminal(w)
	return t
}

// Terminal returns the width of the terminal that w is, 0 for none, and whether to use colours (see https://no-color.org).
func Terminal(w io.Writer) (width int, color bool) {
	width, _ = strconv.Atoi(os.Getenv("COLUMNS"))
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			width = n
		}
		color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return width, color
}

// Header writes the titles at once, for a stream of rows.
func (t *Writer) Header() error {
	t.flex()
	t.titles()
	return t.w.Flush()
}

func (t *Writer) titles() {
	row := make([]Cell, len(t.cols))
	for i, c := range t.cols {
		row[i] = Cell{c.Title, Bold}
	}
	t.line(row)
}

// Row writes one row at once. It needs columns with a width.
func (t *Writer) Row(cells ...Cell) error {
	t.line(cells)
	return t.w.Flush()
}

// Add keeps a row for Flush.
func (t *Writer) Add(cells ...Cell) { t.rows = append(t.rows, cells) }

// Len is the number of rows kept.
func (t *Writer) Len() int { return len(t.rows) }

// Flush writes the titles and the rows that were added, in columns as wide as their cells.
func (t *Writer) Flush() error {
	for i := range t.cols {
		c := &t.cols[i]
		c.Width = max(c.Width, runewidth.StringWidth(c.Title))
		for _, row := range t.rows {
			if i < len(row) {
				c.Width = max(c.Width, runewidth.StringWidth(row[i].Text))
			}
		}
	}
	t.flex()
	t.titles()
	for _, row := range t.rows {
		t.line(row)
	}
	t.rows = nil
	return t.w.Flush()
}

// flex gives the flexible columns what is left of the width.
func (t *Writer) flex() {
	var flexible, fixed, want int
	for _, c := range t.cols {
		if c.Flex {
			flexible++
			want += c.Width
		} else {
			fixed += c.Width
		}
	}
	if flexible == 0 || t.width == 0 {
		return
	}
	left := max(t.width-fixed-gap*(len(t.cols)-1), 8*flexible)
	if want > 0 && want <= left {
		return
	}
	// A column that needs less than its share leaves the rest to the others.
	for i := range t.cols {
		c := &t.cols[i]
		if !c.Flex {
			continue
		}
		share := left / flexible
		if c.Width == 0 || c.Width > share {
			c.Width = share
		}
		left -= c.Width
		flexible--
	}
}

func (t *Writer) line(cells []Cell) {
	rest := make([]Cell, len(t.cols))
	more := false
	for i, c := range t.cols {
		var cell Cell
		if i < len(cells) {
			cell = cells[i]
		}
		text := Printable(cell.Text)
		last := i == len(t.cols)-1 || i < len(cells) && blank(cells[i+1:])
		if t.width > 0 && c.Flex && c.Width > 0 && runewidth.StringWidth(text) > c.Width {
			if c.Wrap {
				var tail string
				text, tail = wrap(text, c.Width)
				rest[i] = Cell{tail, cell.Style}
				more = more || tail != ""
			} else {
				text = runewidth.Truncate(text, c.Width, "…")
			}
		}
		pad := max(0, c.Width-runewidth.StringWidth(text))
		if c.Right {
			t.spaces(pad)
		}
		if t.color && cell.Style != Plain {
			t.w.WriteString("\x1b[" + string(cell.Style) + "m" + text + "\x1b[0m")
		} else {
			t.w.WriteString(text)
		}
		if last {
			break
		}
		if !c.Right {
			t.spaces(pad)
		}
		t.spaces(gap)
	}
	t.w.WriteByte('\n')
	if more {
		t.line(rest)
	}
}

func blank(cells []Cell) bool {
	return !slices.ContainsFunc(cells, func(c Cell) bool { return c.Text != "" })
}

// indent stands before the further lines of a wrapped cell.
const indent = "  "

// wrap cuts text at the last space within width, else at width.
func wrap(text string, width int) (head, tail string) {
	head = runewidth.Truncate(text, width, "")
	if head == "" || len(head) == len(text) {
		return text, ""
	}
	if cut := strings.LastIndexByte(head, ' '); cut > len(indent) && text[len(head)] != ' ' {
		head = head[:cut]
	}
	if tail = strings.TrimLeft(text[len(head):], " "); tail != "" {
		tail = indent + tail
	}
	return head, tail
}

func (t *Writer) spaces(n int) {
	for range n {
		t.w.WriteByte(' ')
	}
}

// Printable replaces what would change the terminal's state, or break the line: names of files and processes are
// chosen by whoever is watched.
func Printable(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unprintable(r) {
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }
