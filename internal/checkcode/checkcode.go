// Package checkcode makes the code that a person compares when chaim signs in to a gateway: the terminal and the page show
// the same one, unless another program began the sign-in.
package checkcode

import "crypto/sha256"

// Letters are those of codes that people compare or type: no vowels, which could spell words, and none is easily taken for
// another.
const Letters = "BCDFGHJKLMNPQRSTVWXZ"

// Of returns the check code for a PKCE challenge, such as "BCDF-GHJK". It does not reveal the verifier. Any number of
// goroutines may call it.
func Of(challenge string) string {
	sum := sha256.Sum256([]byte("chaim check code " + challenge))
	var code []byte
	for i, b := range sum[:8] {
		if i == 4 {
			code = append(code, '-')
		}
		code = append(code, Letters[int(b)%len(Letters)])
	}
	return string(code)
}
