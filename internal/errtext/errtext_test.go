package errtext

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPrefixStandsOnce(t *testing.T) {
	condition, cause := errors.New("chaim: condition"), errors.New("chaim: cause")
	err := Wrap(Because(condition, Wrap(cause, "inner")), "outer %d", 1)
	assert.EqualError(t, err, "chaim: outer 1: condition: inner: cause")
	assert.True(t, errors.Is(err, condition) && errors.Is(err, cause))
}
