package picker

import (
	"fmt"
	"strings"

	"github.com/sahilm/fuzzy"
)

// maxBelow is how many lines are drawn below that of the question.
const maxBelow = 10

// list is the list as the person has filtered it.
type list struct {
	question string
	rows     []string
	query    string
	found    []int // the rows that match, the best first
	at       int   // the marked one of found
	top      int   // the first one of found that is drawn
}

func newList(question string, rows []string) *list {
	l := &list{question: question, rows: rows}
	l.filter()
	return l
}

// filter finds the rows that have the characters of the query in that order.
func (l *list) filter() {
	l.found, l.at, l.top = nil, 0, 0
	if l.query == "" {
		for i := range l.rows {
			l.found = append(l.found, i)
		}
		return
	}
	for _, match := range fuzzy.Find(l.query, l.rows) {
		l.found = append(l.found, match.Index)
	}
}

// chosen returns the index of the marked row.
func (l *list) chosen() (index int, isChosen bool) {
	if len(l.found) == 0 {
		return 0, false
	}
	return l.found[l.at], true
}

func (l *list) press(k key) {
	const page = maxBelow - 2
	query := l.query
	switch runes := []rune(query); {
	case k == keyUp:
		l.at--
	case k == keyDown:
		l.at++
	case k == keyPageUp:
		l.at -= page
	case k == keyPageDown:
		l.at += page
	case k == keyEraseAll:
		query = ""
	case k == keyEraseWord:
		query = strings.TrimRight(query, " ")
		query = query[:strings.LastIndexByte(query, ' ')+1]
	case k == keyErase && query != "":
		query = string(runes[:len(runes)-1])
	case k > 0:
		query += string(rune(k))
	}
	if query != l.query {
		l.query = query
		l.filter()
	}
	l.at = max(min(l.at, len(l.found)-1), 0)
}

// lines returns the line of the question, and those below it for a terminal of that size. column is where the person types.
func (l *list) lines(width, height int) (lines []string, column int) {
	typed := []rune(l.question + " " + l.query)
	typed = typed[max(len(typed)-width+1, 0):] // the cursor stands after it
	lines = append(lines, string(typed))

	room := max(min(height-1, maxBelow), 0)
	hasFooter := room > 1
	if hasFooter {
		room--
	}
	l.top = max(min(l.top, l.at), l.at-room+1, 0)
	for i := l.top; i < min(l.top+room, len(l.found)); i++ {
		mark := "  "
		if i == l.at {
			mark = marked
		}
		lines = append(lines, cut(mark+l.rows[l.found[i]], width))
	}
	if hasFooter {
		footer := fmt.Sprintf("  %d of %d; Enter takes, Esc leaves", len(l.found), len(l.rows))
		lines = append(lines, cut(footer, width))
	}
	return lines, len(typed)
}

// marked stands before the row that Enter takes.
const marked = "> "

// cut shortens a line to a number of characters. If some take two columns, the terminal cuts off the rest.
func cut(line string, width int) string {
	if runes := []rune(line); len(runes) > width {
		return string(runes[:max(width, 0)])
	}
	return line
}
