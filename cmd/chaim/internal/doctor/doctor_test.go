package doctor

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

func TestCheckLock(t *testing.T) {
	target := filepath.Join(t.TempDir(), "credentials")
	lock := func() check { return checkLock(target+".lock", lockFile) }
	assert.Equal(t, stateOK, lock().State, "without a lock file")
	assert.NoFileExists(t, target+".lock")

	require.NoError(t, os.WriteFile(target+".lock", []byte("process 77 on moon\n1 2 3\n"), 0o600))
	got := lock()
	assert.Equal(t, stateOK, got.State)
	assert.Contains(t, got.Found, "keeps others out")

	held, err := sharedfile.LockSide(target+".lock", os.O_RDONLY, false)
	require.NoError(t, err)
	synctest.Test(t, func(*testing.T) { got = lock() })
	assert.Equal(t, stateFail, got.State)
	assert.Contains(t, got.Found, "process 77 on moon holds")
	require.NoError(t, os.WriteFile(target+".lock", nil, 0o600))
	synctest.Test(t, func(*testing.T) { got = lock() })
	assert.Contains(t, got.Found, "another process holds")
	require.NoError(t, held.Close())
	assert.Equal(t, stateOK, lock().State)
}

// TestCheckExclusion has a file system that answers a second lock in each way.
func TestCheckExclusion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials.lock")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	other := filepath.Join(t.TempDir(), "other.lock")
	require.NoError(t, os.WriteFile(other, nil, 0o600))
	for want, second := range map[string]func() (*sharedfile.Side, error){
		stateOK:   func() (*sharedfile.Side, error) { return nil, nil },
		stateFail: func() (*sharedfile.Side, error) { return lockFile(other) },
		stateWarn: func() (*sharedfile.Side, error) { return nil, errors.New("not here") },
	} {
		isSecond := false
		got := checkLock(path, func(path string) (*sharedfile.Side, error) {
			if isSecond {
				return second()
			}
			isSecond = true
			return lockFile(path)
		})
		assert.Equal(t, want, got.State)
	}
}

func TestCheckToken(t *testing.T) {
	now := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		end   time.Time
		state string
		found string
	}{
		{time.Time{}, stateOK, "when it ends is not known"},
		{now.Add(-time.Second), stateFail, "it has ended"},
		{now, stateFail, "it has ended"},
		{now.Add(time.Hour), stateWarn, "it ends in 1 hour at 13:00:00"},
		{now.Add(30 * 24 * time.Hour), stateOK, "2026-06-05"},
	} {
		got := checkToken(chaim.Settings{TokenExpires: test.end}, now)
		assert.Equal(t, test.state, got.State)
		assert.Contains(t, got.Found, test.found)
		assert.Equal(t, test.state != stateOK, got.Do != "")
	}
}

func TestCheckClock(t *testing.T) {
	for ahead, state := range map[time.Duration]string{
		0: stateOK, time.Minute: stateOK, -time.Minute: stateOK,
		61 * time.Second: stateWarn, -61 * time.Second: stateWarn, 5 * time.Minute: stateWarn,
		301 * time.Second: stateFail, -301 * time.Second: stateFail,
	} {
		w := witness{host: "gateway.example", ahead: ahead}
		assert.Equal(t, state, w.checkClock().State, ahead)
	}
	var r report
	r.add("clock", new(witness).checkClock())
	assert.Empty(t, r.Checks, "no server has told the time")
}

func TestCheckGatewayEnds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nothing")
	var r report
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		srv.Inject(-1, chaimtest.Hang())
		ctx, cancel := context.WithTimeout(t.Context(), networkTimeout)
		defer cancel()
		opts := chaim.Options{NoProfile: true, Settings: srv.Settings(), HTTPClient: srv.HTTPClient(), Dir: dir}
		opts.Settings.TokenExpires = time.Now().Add(24 * time.Hour)
		c, err := chaim.New(opts)
		require.NoError(t, err)
		defer c.Close()
		r.checkGateway(ctx, c, "here")
	})
	require.Len(t, r.Checks, 3)
	assert.Equal(t, []int{1, 1}, []int{r.Warned, r.Failed})
	assert.Equal(t, check{"gateway answers", stateFail, "no answer within 15s", adviceFor(errors.New(""))}, r.Checks[2])
	assert.NoFileExists(t, dir)
}

func TestAdvice(t *testing.T) {
	assert.Contains(t, adviceFor(&net.DNSError{}), "host name")
	assert.Contains(t, adviceFor(errors.New("x509: certificate signed by unknown authority")), "AWS_CA_BUNDLE")
	assert.Contains(t, adviceFor(&chaim.GatewayError{StatusCode: 200}), "URL")
	assert.Contains(t, adviceFor(&chaim.GatewayError{StatusCode: 502}), "VPN")
	assert.Contains(t, adviceFor(&chaim.GatewayError{StatusCode: 500}), "try again later")
	assert.Contains(t, adviceFor(&chaim.GatewayError{StatusCode: 429}), "too many requests")
	assert.Contains(t, adviceFor(&smithy.GenericAPIError{Code: "Throttling"}), "too many requests")
}
