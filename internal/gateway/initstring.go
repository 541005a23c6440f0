package gateway

import (
	"encoding/base64"
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// ParseInit returns the settings of the init string in a text: base64url, padded or not, of key=value pairs joined by "&"
// and percent-encoded. The text may be a command or a whole message, and may wrap the string over several lines. No error
// holds a part of the text.
func ParseInit(text string) (Settings, error) {
	text = strings.Map(func(r rune) rune {
		if r == 0 || unicode.Is(unicode.Cf, r) { // zero bytes of UTF-16, and invisible characters
			return -1
		}
		return r
	}, text)
	words := strings.FieldsFunc(text, isNoInit)
	found, err := Settings{}, errors.New("chaim: there is no init string in that; copy it again in full")
	for i, word := range words {
		if len(words) > 1 && (len(word) < minInit || slices.Contains(words[:i], word)) {
			continue
		}
		s, wordErr := initWord(word)
		switch {
		case wordErr == nil && err == nil && !reflect.DeepEqual(s, found):
			return Settings{}, errTwoInits
		case wordErr == nil, err != nil:
			found, err = s, wordErr
		}
	}
	if err != nil && len(words) > 1 {
		return wrappedInit(text, err)
	}
	return found, err
}

// wrappedInit finds an init string that a terminal, a shell or a mail has wrapped. If there is none it returns err.
func wrappedInit(text string, err error) (found Settings, _ error) {
	isBreak := func(r rune) bool { return unicode.IsSpace(r) || r == '\\' || r == '>' }
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return isNoInit(r) && !isBreak(r) }) {
		pieces := strings.FieldsFunc(part, isBreak)
		for i := range pieces {
			if len(pieces[i]) < minPiece {
				continue
			}
			// The longest wins, because a part of an init string may be one too.
			for end := min(len(pieces), i+maxPieces); end > i+1; end-- {
				s, pieceErr := initWord(strings.Join(pieces[i:end], ""))
				if pieceErr != nil {
					continue
				}
				if err == nil && !reflect.DeepEqual(s, found) {
					return Settings{}, errTwoInits
				}
				found, err = s, nil
				break
			}
		}
	}
	return found, err
}

// initWord parses a word that may have more than the init string: a name before it, as in token=STRING, or underlines around
// it that make it italic.
func initWord(word string) (Settings, error) {
	s, err := parseInit(word)
	if err == nil {
		return s, nil
	}
	forms := []string{strings.Trim(word, "_")}
	if _, value, isNamed := strings.Cut(word, "="); isNamed {
		forms = append(forms, value)
	}
	for _, form := range forms {
		if s, formErr := parseInit(form); formErr == nil {
			return s, nil
		}
	}
	return s, err
}

var errTwoInits = errors.New("chaim: there are two init strings in that; give one of them")

// isNoInit reports whether a character cannot be part of an init string.
func isNoInit(r rune) bool { return !strings.ContainsRune(initAlphabet, r) }

const (
	// initAlphabet has the characters of init strings.
	initAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_="
	// minInit is shorter than any init string, and longer than the words of a message.
	minInit = 40
	// A wrapped init string has at least minPiece characters on its first line, and at most maxPieces lines.
	minPiece, maxPieces = 8, 32
)

// parseInit parses an init string without other text around it.
func parseInit(init string) (Settings, error) {
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(init), "="))
	if err != nil {
		return Settings{}, errors.New("chaim: init string is not base64url; copy it again in full")
	}
	pairs := map[string]string{}
	for pair := range strings.SplitSeq(string(text), "&") {
		key, value, ok := strings.Cut(pair, "=")
		// PathUnescape keeps a plus: the gateway percent-encodes spaces.
		value, err := url.PathUnescape(value)
		key = strings.ToLower(key)
		_, isKnown := pairs[key]
		isOdd := strings.ContainsFunc(key+value, func(r rune) bool { return r < 0x20 || r == 0x7f })
		if !ok || key == "" || err != nil || isKnown || isOdd {
			return Settings{}, errors.New("chaim: init string does not hold key=value pairs, each once; copy it again in full")
		}
		pairs[key] = value
	}
	return settingsFromInit(pairs)
}
