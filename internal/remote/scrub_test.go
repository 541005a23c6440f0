package remote

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestExceptionKind(t *testing.T) {
	for text, want := range map[string][2]string{
		"doStart: Error CredentialsGenerationFail: buildCredentials error: IncorrectCredentials: usertoken has expired": {"IncorrectCredentials", "usertoken has expired"},
		"doStart: Error DataNotFound: Account not found: My: account":                                                   {"DataNotFound", "Account not found: My: account"},
		"KeyError: 'api'": {"KeyError", "'api'"},
		"Sorry: no":       {"", "Sorry: no"},
		"DataNotFound: Account not found: ProdTeam: eu": {"DataNotFound", "Account not found: ProdTeam: eu"},
		"": {"", ""},
	} {
		kind, message := exceptionKind(text)
		assert.Equal(t, want, [2]string{kind, message}, text)
	}
}

func TestScrub(t *testing.T) {
	for text, want := range map[string]string{
		"plain text, 12 words":                             "plain text, 12 words",
		"token abc in it":                                  "token [secret] in it",
		"key " + strings.Repeat("aB3/", 10) + "!":          "key [secret]!",
		"query a%2Fb%3D, path a%2Fb=":                      "query [secret], path [secret]",
		"TOKEN=ABC, 612f623d":                              "TOKEN=[secret], [secret]",
		`"x":"wJalrXUtnFEMI\/K7MDENG\/bPxRfiCYEXAMPLEKEY"`: `"x":"[secret]"`,
		"a\nb\x1b[31m\u202e\u00e9":                         "a?b?[31m??",
		strings.Repeat("word ", 60):                        strings.Repeat("word ", 40) + "...",
		"id ASIAEXAMPLE000000001 is not a secret key":      "id ASIAEXAMPLE000000001 is not a secret key",
	} {
		assert.Equal(t, want, Scrub(text, MaxText, "abc", "", "a/b="))
	}
}
