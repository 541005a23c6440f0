package names

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestUsers(t *testing.T) {
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "credentials"))
	synctest.Test(t, func(t *testing.T) {
		u := Users{}
		assert.Empty(t, u.Load("AKIAIOSFODNN7EXAMPLE"))
		u.Save("AKIAIOSFODNN7EXAMPLE", "lars")
		u.Save("ASIAIOSFODNN7EXAMPLE", "kim")
		assert.Equal(t, "lars", u.Load("AKIAIOSFODNN7EXAMPLE"))
		assert.Equal(t, "kim", u.Load("ASIAIOSFODNN7EXAMPLE"))
		<-time.After(36 * time.Hour)
		assert.Equal(t, "lars", u.Load("AKIAIOSFODNN7EXAMPLE"))
		assert.Empty(t, u.Load("ASIAIOSFODNN7EXAMPLE"), "temporary keys have ended")
		<-time.After(30 * 24 * time.Hour)
		assert.Empty(t, u.Load("AKIAIOSFODNN7EXAMPLE"))
	})
}
