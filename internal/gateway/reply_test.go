package gateway

import (
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
