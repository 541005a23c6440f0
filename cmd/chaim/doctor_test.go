package main

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
	lock := func() check {
		var c checkup
		c.checkLock(awsFiles{path: target, target: target})
		require.Len(t, c.Checks, 1)
		return c.Checks[0]
	}
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

// TestCheckExclusion has a file system say what it likes of its locks.
func TestCheckExclusion(t *testing.T) {
	for want, tt := range map[string]struct {
		isExclusive bool
		err         error
	}{
		stateOK:   {true, nil},
		stateFail: {false, nil},
		stateWarn: {true, errors.New("not here")},
	} {
		var c checkup
		c.checkExclusion("credentials.lock", tt.isExclusive, tt.err)
		require.Len(t, c.Checks, 1)
		assert.Equal(t, want, c.Checks[0].State)
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
		var c checkup
		c.checkToken(test.end, now)
		require.Len(t, c.Checks, 1)
		assert.Equal(t, test.state, c.Checks[0].State)
		assert.Contains(t, c.Checks[0].Found, test.found)
		assert.Equal(t, test.state != stateOK, c.Checks[0].Do != "")
	}
}

func TestCheckClock(t *testing.T) {
	for ahead, state := range map[time.Duration]string{
		0: stateOK, time.Minute: stateOK, -time.Minute: stateOK,
		61 * time.Second: stateWarn, -61 * time.Second: stateWarn, 5 * time.Minute: stateWarn,
		301 * time.Second: stateFail, -301 * time.Second: stateFail,
	} {
		var c checkup
		c.checkClock(&witness{host: "gateway.example", ahead: ahead})
		require.Len(t, c.Checks, 1)
		assert.Equal(t, state, c.Checks[0].State, ahead)
	}
	var c checkup
	c.checkClock(&witness{})
	assert.Empty(t, c.Checks, "no server has told the time")
}

func TestCheckGatewayEnds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nothing")
	var c checkup
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		srv.Inject(-1, chaimtest.Hang())
		ctx, cancel := context.WithTimeout(t.Context(), networkTimeout)
		defer cancel()
		opts := chaim.Options{NoProfile: true, Settings: srv.Settings(), HTTPClient: srv.HTTPClient(), Dir: dir}
		opts.Settings.TokenExpires = time.Now().Add(24 * time.Hour)
		c.checkGateway(ctx, "here", opts)
	})
	require.Len(t, c.Checks, 3)
	assert.Equal(t, []int{1, 1}, []int{c.Warned, c.Failed})
	assert.Equal(t, check{"gateway answers", stateFail, "not within 15s", networkHint(errors.New(""))}, c.Checks[2])
	assert.NoFileExists(t, dir)
}

func TestNetworkHint(t *testing.T) {
	assert.Contains(t, networkHint(&net.DNSError{}), "host name")
	assert.Contains(t, networkHint(errors.New("x509: certificate signed by unknown authority")), "AWS_CA_BUNDLE")
	assert.Contains(t, networkHint(&chaim.GatewayError{StatusCode: 200}), "URL")
	assert.Contains(t, networkHint(&chaim.GatewayError{StatusCode: 502}), "VPN")
	assert.Contains(t, networkHint(&chaim.GatewayError{StatusCode: 500}), "try again later")
	assert.Contains(t, networkHint(&chaim.GatewayError{StatusCode: 429}), "too many requests")
	assert.Contains(t, networkHint(&smithy.GenericAPIError{Code: "Throttling"}), "too many requests")
}
