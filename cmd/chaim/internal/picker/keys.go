package picker

import (
	"bytes"
	"slices"
	"unicode"
	"unicode/utf8"
)

// key is a key of the keyboard: the character that it types, or one of those below.
type key rune

const (
	keyLeave key = -1 - iota
	keyTake
	keyUp
	keyDown
	keyPageUp
	keyPageDown
	keyErase     // the last character
	keyEraseWord // the last word
	keyEraseAll
)

// controls are the keys that type one control character.
var controls = map[byte]key{
	'\r': keyTake, '\n': keyTake, 0x03: keyLeave, 0x04: keyLeave, 0x07: keyLeave, 0x08: keyErase, 0x7f: keyErase,
	0x0e: keyDown, 0x10: keyUp, 0x15: keyEraseAll, 0x17: keyEraseWord,
}

// sequences are the keys that type an escape sequence, by what follows ESC [ or ESC O.
var sequences = map[string]key{"A": keyUp, "B": keyDown, "5~": keyPageUp, "6~": keyPageDown}

const esc = 0x1b

// decode returns the keys that were typed, without unknown ones. rest is the beginning of a key that is not complete. isAll
// says that nothing follows: a lone ESC is then a key.
func decode(typed []byte, isAll bool) (keys []key, rest []byte) {
	for len(typed) > 0 {
		k, size := decodeOne(typed)
		switch {
		case size == 0 && !isAll:
			return keys, slices.Clone(typed)
		case size == 0 && typed[0] == esc && len(typed) == 1:
			k, size = keyLeave, 1
		case size == 0:
			size = len(typed)
		}
		if k != 0 {
			keys = append(keys, k)
		}
		typed = typed[size:]
	}
	return keys, nil
}

// decodeOne returns the first key, or 0 for one that it does not know. size is 0 if the key is not complete.
func decodeOne(typed []byte) (k key, size int) {
	switch first := typed[0]; {
	case first == esc:
		return decodeEscape(typed)
	case first < ' ', first == 0x7f:
		return controls[first], 1
	case !utf8.FullRune(typed):
		return 0, 0
	}
	r, size := utf8.DecodeRune(typed)
	if r == utf8.RuneError || !unicode.IsPrint(r) {
		return 0, size
	}
	return key(r), size
}

// decodeEscape is decodeOne after an ESC: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
func decodeEscape(typed []byte) (k key, size int) {
	switch {
	case len(typed) == 1:
		return 0, 0
	case typed[1] == esc:
		return keyLeave, 1
	case typed[1] != '[' && typed[1] != 'O':
		return 0, 2 // a key together with Alt
	}
	end := bytes.IndexFunc(typed[2:], func(r rune) bool { return r >= 0x40 && r <= 0x7e })
	if end < 0 {
		return 0, 0
	}
	return sequences[string(typed[2:3+end])], 3 + end
}
