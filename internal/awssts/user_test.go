package awssts_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/profiles"
)

func TestUserName(t *testing.T) {
	long := strings.Repeat("l", 60)
	for identity, want := range map[string]string{
		"arn:aws:iam::111111111111:user/lars":                                           "lars",
		"arn:aws:iam::111111111111:user/division/lars":                                  "lars",
		"arn:aws:iam::111111111111:root":                                                "root",
		"arn:aws:sts::111111111111:assumed-role/Admin/lars@example.com":                 "lars@example.com",
		"arn:aws:sts::111111111111:assumed-role/Admin/lars-1764500000-abcdefg7":         "lars",
		"arn:aws:sts::111111111111:assumed-role/Admin/asia-release-1764500000-abcdefg7": "asia-release",
		"arn:aws:sts::111111111111:assumed-role/Admin/1764500000-abcdefg7":              "",
		"arn:aws:sts::111111111111:federated-user/lars":                                 "lars",
		"arn:aws:iam::111111111111:user/" + long:                                        long[:44],
		"lars":                                                                          "lars", "": "", "lärs": "lrs", "a b\n": "ab",
	} {
		assert.Equal(t, want, awssts.UserName(identity), identity)
	}
}

// noted is a store of users in memory.
type noted struct {
	mu    sync.Mutex
	names map[string]string
}

func (n *noted) Load(keyID string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.names[keyID]
}

func (n *noted) Save(keyID, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[keyID] = name
}

// plainSigner is a signer that calls providers as they are.
type plainSigner struct{}

func (plainSigner) Retrieve(ctx context.Context, src aws.CredentialsProvider) (aws.Credentials, error) {
	return src.Retrieve(ctx)
}

func TestSessionsOfUsers(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
	srv := chaimtest.NewServer(t)
	kept := &noted{names: map[string]string{}}
	ctx := t.Context()
	asker := func(role string, src aws.CredentialsProvider) awssts.Asker {
		s := &awssts.STS{RoleARN: role, Keys: src, Region: "eu-west-1", HTTPClient: srv.HTTPClient()}
		return awssts.Asker{STS: s, Files: profiles.AWSFiles{}, Log: slog.New(slog.DiscardHandler), Signer: plainSigner{}}
	}
	user := func(name string) aws.CredentialsProvider {
		creds := srv.AddKeys("111111111111", name)
		return fixedKeys(creds)
	}
	const readOnly, power = "arn:aws:iam::111111111111:role/CrossAccountReadOnly", "arn:aws:iam::222222222222:role/CrossAccountPowerUser"
	// ask returns the names of the sessions that were begun, and how often STS was asked who asks.
	ask := func(a awssts.Asker) (sessions []string, asked int) {
		t.Helper()
		srv.Reset()
		_, err := a.Retrieve(ctx)
		require.NoError(t, err)
		for _, r := range srv.Requests() {
			switch r.Action {
			case "AssumeRole":
				sessions = append(sessions, r.Parameters["RoleSessionName"])
			case "GetCallerIdentity":
				asked++
			}
		}
		return sessions, asked
	}
	lars := user("lars")
	sessions, asked := ask(asker(readOnly, lars))
	assert.Regexp(t, `^asia-(dev|release)-[0-9]{10}-[a-z2-7]{8}$`, sessions[0], "as the library does")
	assert.Zero(t, asked)

	ctx = awssts.NameSessions(ctx, kept)
	sessions, asked = ask(asker(readOnly, lars))
	assert.Regexp(t, `^lars-[0-9]{10}-[a-z2-7]{8}$`, sessions[0])
	assert.Equal(t, 1, asked)
	again, asked := ask(asker(readOnly, lars))
	assert.NotEqual(t, sessions, again)
	assert.Zero(t, asked, "it is known")
	sessions, asked = ask(asker(power, asker(readOnly, lars)))
	require.Len(t, sessions, 2)
	for _, name := range sessions {
		assert.Regexp(t, `^lars-[0-9]{10}-[a-z2-7]{8}$`, name)
	}
	assert.Zero(t, asked, "a chain has the user of its first keys")
	given := asker(readOnly, lars)
	given.STS.SessionName = "ci"
	sessions, _ = ask(given)
	assert.Equal(t, []string{"ci"}, sessions)
	assert.Len(t, kept.names, 1)

	temporary, err := asker(readOnly, lars).Retrieve(ctx)
	require.NoError(t, err)
	sessions, asked = ask(asker(power, fixedKeys(temporary)))
	assert.Regexp(t, `^lars-`, sessions[0], "they were made with the keys of lars")
	assert.Zero(t, asked)
	elsewhere := awssts.NameSessions(t.Context(), kept)
	srv.Reset()
	_, err = asker(power, fixedKeys(temporary)).Retrieve(elsewhere)
	require.NoError(t, err)
	require.Len(t, srv.Requests(), 2)
	assert.Regexp(t, `^lars-`, srv.Requests()[1].Parameters["RoleSessionName"])
	assert.Len(t, kept.names, 1, "keys that are new at each run are not remembered")

	maria := user("maria")
	creds, _ := maria.Retrieve(t.Context())
	kept.Save(creds.AccessKeyID, "maria")
	sessions, asked = ask(asker(readOnly, maria))
	assert.Regexp(t, `^maria-`, sessions[0])
	assert.Zero(t, asked, "the store knows")

	otto := asker(readOnly, user("otto"))
	srv.Inject(1, chaimtest.Status(503))
	sessions, asked = ask(otto)
	assert.Regexp(t, `^asia-`, sessions[0], "STS does not tell")
	assert.Equal(t, 1, asked)
	_, asked = ask(otto)
	assert.Zero(t, asked, "it is not asked again")

	slow := asker(readOnly, user("slow"))
	slow.STS.HTTPClient = &http.Client{Transport: slowIdentity{srv.HTTPClient().Transport}}
	began := time.Now()
	sessions, _ = ask(slow)
	assert.Regexp(t, `^asia-`, sessions[0])
	assert.Less(t, time.Since(began), 5*time.Second)

	many := user("many")
	srv.Reset()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := asker(readOnly, many).Retrieve(ctx)
			assert.NoError(t, err)
		})
	}
	all.Wait()
	asked = 0
	for _, r := range srv.Requests() {
		if r.Action == "GetCallerIdentity" {
			asked++
		}
	}
	assert.Equal(t, 1, asked)
}

func fixedKeys(creds aws.Credentials) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil })
}

// slowIdentity never answers who asks.
type slowIdentity struct{ next http.RoundTripper }

func (s slowIdentity) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.ContentLength > 0 && r.ContentLength < 60 { // the request for a role is longer
		<-r.Context().Done()
		return nil, errors.New("slow")
	}
	return s.next.RoundTrip(r)
}
