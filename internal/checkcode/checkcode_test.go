package checkcode

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCode(t *testing.T) {
	// The challenge is that of RFC 7636, appendix B. The gateway and its command must agree on the code.
	const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	want := regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`)
	for _, one := range []string{challenge, "", "x"} {
		assert.Regexp(t, want, Of(one))
		assert.Equal(t, Of(one), Of(one))
	}
	assert.NotEqual(t, Of(challenge), Of(challenge[1:]))
	assert.Equal(t, "JJPV-LSMR", Of(challenge))
}
