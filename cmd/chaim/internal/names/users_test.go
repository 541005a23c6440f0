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
		assert.Equal(t, "lars", u.Load("AKIAIOSFODNN7EXAMPLE"))
		<-time.After(29 * 24 * time.Hour)
		assert.Equal(t, "lars", u.Load("AKIAIOSFODNN7EXAMPLE"))
		<-time.After(2 * 24 * time.Hour)
		assert.Empty(t, u.Load("AKIAIOSFODNN7EXAMPLE"))
	})
}
