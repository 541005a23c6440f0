// Package spelling tells how much two names differ.
package spelling

// Mistakes counts the letters that are wrong, missing or added in one of two texts. Two swapped neighbours count as one
// mistake (the optimal string alignment distance).
func Mistakes(one, other string) int {
	var beforeLast []int
	last, row := make([]int, len(other)+1), make([]int, len(other)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(one) {
		beforeLast, last, row = last, row, make([]int, len(other)+1)
		row[0] = i + 1
		for j := range len(other) {
			row[j+1] = 1 + min(last[j], last[j+1], row[j])
			switch {
			case one[i] == other[j]:
				row[j+1] = last[j]
			case i > 0 && j > 0 && one[i] == other[j-1] && one[i-1] == other[j]:
				row[j+1] = min(row[j+1], 1+beforeLast[j-1])
			}
		}
	}
	return row[len(other)]
}
