package ambient_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/chaim-go/chaim/gateway/internal/ambient"
)

func TestAWrongClockIsTold(t *testing.T) {
	for ahead, want := range map[time.Duration]string{
		0:                 "",
		59 * time.Second:  "",
		-59 * time.Second: "",
		time.Hour:         "1h0m0s ahead of that of AWS",
		-2 * time.Minute:  "2m0s behind that of AWS",
	} {
		got := ambient.Identity{Ahead: ahead}.ClockProblem()
		assert.Contains(t, got, want)
		assert.Equal(t, want == "", got == "", ahead)
	}
}
