package ambient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/gateway/internal/issue"
)

const (
	roleARN    = "arn:aws:iam::111111111111:role/CrossAccountReadOnly"
	externalID = "CANARY-external-id"
)

// double is a double of STS and an Assumer that uses it.
type double struct {
	*chaimtest.Server
	*Assumer
	log   bytes.Buffer
	hosts []string // that were asked
	mu    sync.Mutex
}

// newDouble returns a double whose gateway is an IAM user. Each name in regions is one region.
func newDouble(t *testing.T, regions ...string) *double {
	t.Helper()
	isolate(t)
	d := &double{Server: chaimtest.NewServer(t)}
	a, err := New(t.Context(), d.options(d.AddKeys("999999999999", "gateway"), regions...))
	require.NoError(t, err)
	d.Assumer = a
	t.Cleanup(func() { assert.NotContains(t, d.log.String(), "CANARY") })
	return d
}

// isolate keeps the machine's own AWS settings out of a test.
func isolate(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_PROFILE", "")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "")
}

func (d *double) options(own aws.Credentials, regions ...string) Options {
	client := *d.HTTPClient()
	next := client.Transport
	client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		d.mu.Lock()
		d.hosts = append(d.hosts, r.URL.Host)
		d.mu.Unlock()
		return next.RoundTrip(r)
	})
	return Options{
		Regions: regions, ExternalID: externalID, HTTPClient: &client, Log: slog.New(slog.NewTextHandler(&d.log, nil)),
		Credentials: credentials.StaticCredentialsProvider{Value: own},
	}
}

func (d *double) asked() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hosts
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func session(lifetime time.Duration) issue.Session {
	return issue.Session{RoleARN: roleARN, SourceIdentity: "ada@example.com", User: "ada@example.com", Issue: "iss_1", Lifetime: lifetime}
}

// refusal returns the failure of a request.
func refusal(t *testing.T, err error) *issue.STSError {
	t.Helper()
	var f *issue.STSError
	require.ErrorAs(t, err, &f)
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v %#v", err, err)} {
		assert.NotContains(t, text, "CANARY")
		assert.NotContains(t, text, "i-0abc", "words of STS")
	}
	return f
}

func TestAssumeSendsThePerson(t *testing.T) {
	d := newDouble(t, "eu-central-1")
	lent, err := d.Assume(t.Context(), session(2*time.Hour))
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(lent.Keys.AccessKeyID, "ASIA"))
	assert.WithinDuration(t, time.Now().Add(2*time.Hour), lent.Keys.Expires, time.Minute)
	assert.Equal(t, "111111111111", lent.Keys.AccountID)
	assert.False(t, lent.Chained)
	assert.Equal(t, []string{"sts.eu-central-1.amazonaws.com"}, d.asked())
	sent := d.Requests()[0].Parameters
	assert.Equal(t, map[string]string{
		"RoleArn": roleARN, "RoleSessionName": "ada@example.com", "SourceIdentity": "ada@example.com", "DurationSeconds": "7200",
		"ExternalId": "***", "Tags.member.1.Key": "chaim-user", "Tags.member.1.Value": "ada@example.com",
		"Tags.member.2.Key": "chaim-issue", "Tags.member.2.Value": "iss_1",
	}, sent)
	doc, err := json.Marshal(lent)
	require.NoError(t, err)
	for _, text := range []string{string(doc), fmt.Sprintf("%v %+v %#v %s", lent, lent, lent, d.Assumer), fmt.Sprintf("%#v %+v", d.Assumer, d.Assumer)} {
		assert.NotContains(t, text, "CANARY")
	}
}

func TestIdentity(t *testing.T) {
	d := newDouble(t)
	assert.Empty(t, d.Identity())
	id, err := d.Identify(t.Context())
	require.NoError(t, err)
	assert.Less(t, id.Ahead, 3*time.Second)
	id.Ahead = 0
	assert.Equal(t, Identity{Account: "999999999999", ARN: "arn:aws:iam::999999999999:user/gateway"}, id)
	assert.Zero(t, d.Cap())
	assert.Equal(t, id.ARN, d.Identity().ARN)

	d.Advance(-2 * time.Minute)
	id, err = d.Identify(t.Context())
	require.NoError(t, err)
	assert.InDelta(t, 2*time.Minute, id.Ahead, float64(2*time.Second))
}

// TestChainedIdentityGivesAnHour uses keys of a role as the gateway's identity.
func TestChainedIdentityGivesAnHour(t *testing.T) {
	d := newDouble(t)
	d.AddAccount("999999999999", "gateway", "Gateway")
	own, err := d.Assume(t.Context(), issue.Session{
		RoleARN: "arn:aws:iam::999999999999:role/Gateway", SourceIdentity: "i-0abc", User: "x", Issue: "y", Lifetime: 12 * time.Hour,
	})
	require.NoError(t, err)
	for name, identified := range map[string]bool{"known beforehand": true, "learned from STS": false} {
		a, err := New(t.Context(), d.options(own.Keys))
		require.NoError(t, err)
		if identified {
			id, err := a.Identify(t.Context())
			require.NoError(t, err)
			assert.True(t, id.Chained)
			assert.Equal(t, time.Hour, a.Cap())
		}
		lent, err := a.Assume(t.Context(), session(12*time.Hour))
		require.NoError(t, err, name)
		assert.True(t, lent.Chained, name)
		assert.WithinDuration(t, time.Now().Add(time.Hour), lent.Keys.Expires, time.Minute, name)
		assert.Equal(t, time.Hour, a.Cap(), name)
	}
}

// TestRefusalsAreToldApart has STS's words for each fault.
func TestRefusalsAreToldApart(t *testing.T) {
	const who = "User: arn:aws:sts::9:assumed-role/Gateway/i-0abc is not authorized to perform: "
	for name, tt := range map[string]struct {
		fault chaimtest.Fault
		cause issue.Cause
		says  string
	}{
		"trust":            {chaimtest.Refuse(who + "sts:AssumeRole on resource: " + roleARN), issue.NotTrusted, "external id"},
		"set identity":     {chaimtest.Refuse(who + "sts:SetSourceIdentity on resource: " + roleARN), issue.NoSourceIdentity, "sts:SetSourceIdentity"},
		"tag session":      {chaimtest.Refuse(who + "sts:TagSession on resource: " + roleARN), issue.NoTagSession, "sts:TagSession"},
		"gateway's policy": {chaimtest.Refuse(who + "sts:AssumeRole because no identity-based policy allows the sts:AssumeRole action"), issue.NotPermitted, "trust-policy --gateway"},
		"organization":     {chaimtest.Refuse(who + "sts:TagSession with an explicit deny in a service control policy"), issue.NotPermitted, "organization"},
		"too long": {
			chaimtest.STSError(400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."),
			issue.TooLong, "raise the role's MaxSessionDuration",
		},
		"packed policy": {chaimtest.STSError(400, "PackedPolicyTooLarge", "Packed policy consumes 101%"), issue.TooManyTags, "too large"},
		"bad request":   {chaimtest.STSError(400, "ValidationError", "1 validation error detected: Value '"+externalID+"'"), issue.BadRequest, "operator finds the reason"},
		"expired keys":  {chaimtest.STSError(403, "ExpiredToken", "The security token included in the request is expired"), issue.OwnKeys, "may have ended"},
		"wrong keys":    {chaimtest.STSError(403, "InvalidClientTokenId", "The security token included in the request is invalid."), issue.OwnKeys, "renew them"},
		"region off":    {chaimtest.STSError(403, "RegionDisabledException", "STS is not activated in this region"), issue.RegionOff, "switched off"},
		"throttled":     {chaimtest.Throttle(0), issue.Throttled, "too many requests"},
		"throttled 429": {chaimtest.Status(429), issue.Throttled, "too many requests"},
		"failed":        {chaimtest.Status(500), issue.Away, "try again"},
		"away":          {chaimtest.Status(503), issue.Away, "try again"},
		"garbage":       {chaimtest.Garbage(), issue.Away, "cannot be read"},
		"huge":          {chaimtest.Huge(), issue.Away, "cannot be read"},
		"redirect":      {chaimtest.Redirect("https://elsewhere.example.com/"), issue.Away, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			d.Inject(-1, tt.fault)
			_, err := d.Assume(t.Context(), session(time.Hour))
			f := refusal(t, err)
			assert.Equal(t, tt.cause, f.Cause)
			assert.Contains(t, f.Text, tt.says)
			isUnread := name == "garbage" || name == "huge" || name == "redirect"
			assert.Equal(t, isUnread, f.MayHaveKeys)
		})
	}
}

// TestTriesOfOneIssueShareItsTag lets another region answer after each fault that may pass.
func TestTriesOfOneIssueShareItsTag(t *testing.T) {
	for name, fault := range map[string]chaimtest.Fault{
		"failed": chaimtest.Status(500), "away": chaimtest.Status(503), "throttled": chaimtest.Throttle(0), "garbage": chaimtest.Garbage(),
		"region off": chaimtest.STSError(403, "RegionDisabledException", "off"),
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t, "eu-west-1", "eu-central-1")
			d.Inject(1, fault)
			_, err := d.Assume(t.Context(), session(time.Hour))
			require.NoError(t, err)
			assert.Equal(t, []string{"sts.eu-west-1.amazonaws.com", "sts.eu-central-1.amazonaws.com"}, d.asked())
			for _, r := range d.Requests() {
				assert.Equal(t, "iss_1", r.Parameters["Tags.member.2.Value"])
			}
			_, err = d.Assume(t.Context(), session(time.Hour))
			require.NoError(t, err)
			assert.Equal(t, "sts.eu-central-1.amazonaws.com", d.asked()[2], "the region that answered is asked first")
		})
	}
}

func TestOwnKeysAreReadAgainOnce(t *testing.T) {
	d := newDouble(t)
	var reads int
	own := d.AddKeys("999999999999", "gateway")
	o := d.options(own)
	o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		reads++
		return own, nil
	})
	a, err := New(t.Context(), o)
	require.NoError(t, err)
	d.Inject(1, chaimtest.STSError(403, "ExpiredToken", "expired"))
	_, err = a.Assume(t.Context(), session(time.Hour))
	require.NoError(t, err)
	assert.Equal(t, 2, reads)

	o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New(`{"SecretAccessKey": "CANARYsecret"}`)
	})
	a, err = New(t.Context(), o)
	require.NoError(t, err)
	_, err = a.Assume(t.Context(), session(time.Hour))
	f := refusal(t, err)
	assert.Equal(t, issue.OwnKeys, f.Cause)
	assert.False(t, f.MayHaveKeys, "nothing was sent")
}

// TestSlowSTS asks STS that answers after 25 seconds: no request waits for it so long.
func TestSlowSTS(t *testing.T) {
	isolate(t)
	synctest.Test(t, func(t *testing.T) {
		d := &double{Server: chaimtest.NewServer(t)}
		a, err := New(t.Context(), d.options(d.AddKeys("999999999999", "gateway"), "eu-west-1", "eu-central-1", "eu-north-1"))
		require.NoError(t, err)
		d.SetLatency(25 * time.Second)
		start := time.Now()
		_, err = a.Assume(t.Context(), session(time.Hour))
		f := refusal(t, err)
		assert.Equal(t, issue.Away, f.Cause)
		assert.True(t, f.MayHaveKeys)
		assert.Equal(t, 3*tryTimeout, time.Since(start), "one try in each region")
		assert.NotContains(t, d.log.String(), "CANARY")
		d.Close()
	})
}

func TestUnreachableSTSHasNoKeys(t *testing.T) {
	isolate(t)
	a, err := New(t.Context(), Options{
		Endpoint: "http://127.0.0.1:1", Credentials: credentials.StaticCredentialsProvider{Value: aws.Credentials{AccessKeyID: "AKIAX", SecretAccessKey: "CANARY"}},
	})
	require.NoError(t, err)
	_, err = a.Assume(t.Context(), session(time.Hour))
	f := refusal(t, err)
	assert.Equal(t, issue.Away, f.Cause)
	assert.False(t, f.MayHaveKeys, "no request was sent")
	_, err = a.Identify(t.Context())
	assert.Equal(t, issue.Away, refusal(t, err).Cause)
}

func TestLongPauseIsTheCallersDecision(t *testing.T) {
	d := newDouble(t)
	d.Inject(1, chaimtest.Throttle(30*time.Second))
	_, err := d.Assume(t.Context(), session(time.Hour))
	f := refusal(t, err)
	assert.Equal(t, 30*time.Second, f.RetryAfter)
	assert.Len(t, d.asked(), 1)
}

// TestKeysOfAnotherSessionAreDropped changes replies of STS.
func TestKeysOfAnotherSessionAreDropped(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"another role": func(s string) string {
			return strings.ReplaceAll(s, "assumed-role/CrossAccountReadOnly", "assumed-role/Admin")
		},
		"another account":         func(s string) string { return strings.ReplaceAll(s, "sts::111111111111", "sts::222222222222") },
		"another session":         func(s string) string { return strings.ReplaceAll(s, "/ada@example.com</", "/eve</") },
		"the gateway's identity":  func(s string) string { return strings.ReplaceAll(s, "<SourceIdentity>ada@", "<SourceIdentity>gw@") },
		"no identity":             func(s string) string { return strings.ReplaceAll(s, "SourceIdentity", "Other") },
		"no session":              func(s string) string { return strings.ReplaceAll(s, "AssumedRoleUser", "Other") },
		"no keys":                 func(s string) string { return strings.ReplaceAll(s, "Credentials", "Other") },
		"no secret":               func(s string) string { return strings.ReplaceAll(s, "SecretAccessKey", "Other") },
		"no expiry":               func(s string) string { return strings.ReplaceAll(s, "Expiration", "Other") },
		"an expiry far away":      func(s string) string { return strings.ReplaceAll(s, "<Expiration>20", "<Expiration>21") },
		"an expiry that has been": func(s string) string { return strings.ReplaceAll(s, "<Expiration>20", "<Expiration>19") },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			d.Inject(-1, chaimtest.Rewrite(change))
			lent, err := d.Assume(t.Context(), session(time.Hour))
			f := refusal(t, err)
			assert.True(t, f.MayHaveKeys)
			assert.Contains(t, []issue.Cause{issue.OtherSession, issue.Away}, f.Cause)
			assert.Equal(t, f.Cause == issue.OtherSession, f.Dropped.ID != "", "the log has the id of complete keys")
			assert.Empty(t, lent.Keys)
		})
	}
}

// TestEndpointVariablesDoNotCount sets them to a server that must not be asked.
func TestEndpointVariablesDoNotCount(t *testing.T) {
	d := newDouble(t)
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1/")
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1/")
	own := d.AddKeys("999999999999", "gateway")
	a, err := New(t.Context(), d.options(own))
	require.NoError(t, err)
	_, err = a.Assume(t.Context(), session(time.Hour))
	require.NoError(t, err)

	t.Setenv("AWS_ACCESS_KEY_ID", own.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", own.SecretAccessKey)
	o := d.options(own)
	o.Credentials = nil // the SDK's chain
	a, err = New(t.Context(), o)
	require.NoError(t, err)
	_, err = a.Assume(t.Context(), session(time.Hour))
	require.NoError(t, err)
	assert.Equal(t, []string{"sts.eu-west-1.amazonaws.com", "sts.eu-west-1.amazonaws.com"}, d.asked())
}

func TestWrongOptions(t *testing.T) {
	isolate(t)
	for want, o := range map[string]Options{
		"did you mean eu-west-1":     {Regions: []string{"eu-wst-1"}},
		"different partitions":       {Regions: []string{"eu-west-1", "cn-north-1"}},
		"plain http":                 {Endpoint: "http://sts.example.com"},
		"endpoint of STS is not an ": {Endpoint: "CANARY"},
	} {
		_, err := New(t.Context(), o)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "CANARY")
		assert.NotContains(t, err.Error(), "chaim: ")
	}
}

func TestCallerThatLeavesEndsTheTries(t *testing.T) {
	isolate(t)
	synctest.Test(t, func(t *testing.T) {
		d := &double{Server: chaimtest.NewServer(t)}
		a, err := New(t.Context(), d.options(d.AddKeys("999999999999", "gateway"), "eu-west-1", "eu-central-1"))
		require.NoError(t, err)
		d.Inject(-1, chaimtest.Hang())
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		_, err = a.Assume(ctx, session(time.Hour))
		assert.True(t, refusal(t, err).MayHaveKeys)
		assert.Len(t, d.asked(), 1)
		d.Close()
	})
}

// TestLaterTriesAskForLess loses three seconds at a region that hangs.
func TestLaterTriesAskForLess(t *testing.T) {
	isolate(t)
	synctest.Test(t, func(t *testing.T) {
		for left, want := range map[time.Duration]string{time.Hour: "3597", 15*time.Minute + time.Second: "900"} {
			d := &double{Server: chaimtest.NewServer(t)}
			a, err := New(t.Context(), d.options(d.AddKeys("999999999999", "gateway"), "eu-west-1", "eu-central-1"))
			require.NoError(t, err)
			d.Inject(1, chaimtest.Hang())
			s := session(2 * time.Hour)
			s.Until = time.Now().Add(left)
			_, err = a.Assume(t.Context(), s)
			require.NoError(t, err)
			assert.Equal(t, want, d.Requests()[1].Parameters["DurationSeconds"])
			d.Close()
		}
	})
}

// BenchmarkAssume asks a double over a socket.
func BenchmarkAssume(b *testing.B) {
	srv := chaimtest.NewServer(b)
	a, err := New(b.Context(), Options{
		Endpoint: srv.STSURL(), Credentials: credentials.StaticCredentialsProvider{Value: srv.AddKeys("999999999999", "gateway")},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	require.NoError(b, err)
	for b.Loop() {
		if _, err := a.Assume(b.Context(), session(time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
}
