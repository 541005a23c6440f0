// Package spelling finds what was meant by a misspelt name.
package spelling

import "slices"

// MaxMistakes is how many letters may be wrong, missing, added or swapped in a name.
const MaxMistakes = 2

// Nearest returns those of the known names that differ least from a name, in their order: none where all differ by more
// than [MaxMistakes], or by half of the name and more.
func Nearest(name string, known []string) (nearest []string) {
	least := min(MaxMistakes, (len(name)-1)/2)
	for _, candidate := range known {
		switch n := mistakes(name, candidate); {
		case n < least || n == least && len(nearest) == 0:
			least, nearest = n, []string{candidate}
		case n == least:
			nearest = append(nearest, candidate)
		}
	}
	return nearest
}

// mistakes is the distance of two texts in letters, where two neighbours that were swapped count as one. Differences of
// more than MaxMistakes are not counted exactly.
func mistakes(a, b string) int {
	if difference := len(a) - len(b); max(difference, -difference) > MaxMistakes {
		return MaxMistakes + 1
	}
	var beforeLast, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		beforeLast, last = last, slices.Clone(row)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], beforeLast[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
