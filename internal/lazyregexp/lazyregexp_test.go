package lazyregexp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/chaim-go/chaim/internal/lazyregexp"
)

func TestNewCompilesOnceAndNotBeforeItIsNeeded(t *testing.T) {
	rule := lazyregexp.New(`^a+$`)
	assert.True(t, rule().MatchString("aa"))
	assert.Same(t, rule(), rule())

	notYet := lazyregexp.New(`(`)
	assert.Panics(t, func() { notYet() })
}
