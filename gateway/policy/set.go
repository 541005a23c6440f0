package policy

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"slices"
)

// set is a set of small numbers, one bit each. All sets of one kind have the same length.
type set []uint64

func newSet(size int) set { return make(set, (size+63)/64) }

func (s set) add(i int) { s[i/64] |= 1 << (i % 64) }

func (s set) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

func (s set) addAll(other set) {
	for i := range s {
		s[i] |= other[i]
	}
}

func (s set) keep(other set) {
	for i := range s {
		s[i] &= other[i]
	}
}

func (s set) remove(other set) {
	for i := range s {
		s[i] &^= other[i]
	}
}

// fill adds all numbers below size.
func (s set) fill(size int) set {
	for i := range s {
		s[i] = ^uint64(0)
	}
	if size%64 > 0 {
		s[len(s)-1] >>= 64 - size%64
	}
	return s
}

func (s set) isEmpty() bool {
	return !slices.ContainsFunc(s, func(word uint64) bool { return word != 0 })
}

// all yields the numbers in order.
func (s set) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, word := range s {
			for ; word != 0; word &= word - 1 {
				if !yield(i*64 + bits.TrailingZeros64(word)) {
					return
				}
			}
		}
	}
}

// shared yields, in order, the numbers that are in all three sets of one kind.
func shared(a, b, c set) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range a {
			for word := a[i] & b[i] & c[i]; word != 0; word &= word - 1 {
				if !yield(i*64 + bits.TrailingZeros64(word)) {
					return
				}
			}
		}
	}
}

// key returns a string that equal sets of one kind share.
func (s set) key() string {
	text := make([]byte, 0, len(s)*8)
	for _, word := range s {
		text = binary.LittleEndian.AppendUint64(text, word)
	}
	return string(text)
}
