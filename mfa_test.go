package chaim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// guarded are n profiles p0, p1... with roles that need the device of lars.
func guarded(n int) string {
	var config strings.Builder
	for i := range n {
		fmt.Fprintf(&config, "[profile p%d]\nrole_arn = arn:aws:iam::111111111111:role/CrossAccountReadOnly\nsource_profile = user\nmfa_serial = %s\n", i, serial)
	}
	return config.String()
}

// inBubble runs a test with fake time and AWS files of its own. config makes the text of the config file.
func inBubble(t *testing.T, config func(srv *chaimtest.Server) string, run func(t *testing.T, srv *chaimtest.Server)) {
	t.Helper()
	home := t.TempDir()
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(home, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(home, "credentials"))
	for _, name := range []string{"CHAIM_URL", "CHAIM_USER", "CHAIM_TOKEN", "AWS_REGION", "AWS_PROFILE"} {
		t.Setenv(name, "")
		require.NoError(t, os.Unsetenv(name))
	}
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		require.NoError(t, os.WriteFile(filepath.Join(home, "config"), []byte(config(srv)), 0o600))
		run(t, srv)
	})
}

// TestNoCodeForManyProfiles has a device that gives no right code. A person is asked for one role, and all others fail with it.
func TestNoCodeForManyProfiles(t *testing.T) {
	errEscape := errors.New("the person pressed Escape")
	for name, tt := range map[string]struct {
		code    string
		err     error
		command string
		want    int64
	}{
		"refused":  {code: "000000", want: 3},
		"declined": {err: errEscape, want: 1},
		"no code":  {code: "12345", want: 1},
		"command":  {command: `echo x >> "$COUNT"; exit 3`},
	} {
		t.Run(name, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			home := awsFiles(t, srv, guarded(60)) // which take less than the 30 seconds of a failure, however slow the machine
			count := filepath.Join(home, "count")
			t.Setenv("COUNT", count)
			t.Setenv("CHAIM_MFA_COMMAND", tt.command)
			srv.AddMFADevice("lars", serial)
			srv.RequireMFA("111111111111", serial, "")
			var asked atomic.Int64
			p := chaim.Profiles{TokenCode: func(context.Context, chaim.MFADevice) (string, error) {
				asked.Add(1)
				return tt.code, tt.err
			}}
			var accounts []chaim.Account
			for i := range 60 {
				accounts = append(accounts, chaim.Account{Name: fmt.Sprintf("p%d", i)})
			}
			err := chaim.Each(t.Context(), accounts, chaim.EachOptions{Options: chaim.Options{Broker: p, NoProfile: true}, Parallel: 8}, func(context.Context, chaim.Account, *chaim.Client) error { return nil })
			require.Error(t, err)
			if tt.err != nil {
				require.ErrorIs(t, err, tt.err)
			}
			assert.Equal(t, tt.want, asked.Load())
			if text, _ := os.ReadFile(count); tt.command != "" {
				assert.Equal(t, "x\n", string(text), "the command ran once")
				require.ErrorContains(t, err, "no code of MFA device "+serial+` of profile "`)
				require.ErrorContains(t, err, "CHAIM_MFA_COMMAND: exit status 3")
				assert.NotContains(t, err.Error(), "echo")
			}
		})
	}
}

// TestACodeAfterARefusal asks again after the time of one code.
func TestACodeAfterARefusal(t *testing.T) {
	inBubble(t, func(srv *chaimtest.Server) string { return ownWithMFA(srv) }, func(t *testing.T, srv *chaimtest.Server) {
		codes := []string{"000000", "000000", "000000"}
		p := chaim.Profiles{HTTPClient: srv.HTTPClient(), TokenCode: func(context.Context, chaim.MFADevice) (string, error) {
			if len(codes) == 0 {
				return srv.MFACode(serial), nil
			}
			code := codes[0]
			codes = codes[1:]
			return code, nil
		}}
		_, err := lent(t, p, chaim.Options{Account: "g"})
		require.ErrorIs(t, err, chaim.ErrDenied)
		_, err = lent(t, p, chaim.Options{Account: "g"})
		require.ErrorIs(t, err, chaim.ErrDenied)
		<-time.After(30 * time.Second)
		_, err = lent(t, p, chaim.Options{Account: "g"})
		require.NoError(t, err)
	})
}

// ownWithMFA is the profile g with keys of lars and his device, and the profile r with a role.
func ownWithMFA(srv *chaimtest.Server) string {
	own := srv.AddKeys("111111111111", "lars")
	srv.AddMFADevice("lars", serial)
	return fmt.Sprintf(`[profile g]
aws_access_key_id = %s
aws_secret_access_key = %s
mfa_serial = %[3]s
region = eu-west-1
[profile r]
role_arn = arn:aws:iam::111111111111:role/CrossAccountReadOnly
source_profile = g
mfa_serial = %[3]s
region = eu-west-1
`, own.AccessKeyID, own.SecretAccessKey, serial)
}

// TestOwnSessionOfAProfile lends the session itself for 30 hours.
func TestOwnSessionOfAProfile(t *testing.T) {
	inBubble(t, ownWithMFA, func(t *testing.T, srv *chaimtest.Server) {
		asked := 0
		p := chaim.Profiles{HTTPClient: srv.HTTPClient(), TokenCode: func(context.Context, chaim.MFADevice) (string, error) {
			asked++
			return srv.MFACode(serial), nil
		}}
		first := true
		err := chaim.WithContext(t.Context(), chaim.Options{Account: "g", Broker: p}, func(ctx context.Context, c *chaim.Client) error {
			assert.Greater(t, time.Until(c.Creds().Expires), 11*time.Hour)
			for range 30 * 60 {
				if time.Until(c.Creds().Expires) < 10*time.Minute {
					t.Errorf("keys end in %s", time.Until(c.Creds().Expires))
				}
				<-time.After(time.Minute)
				if first && time.Until(c.Creds().Expires) < 11*time.Hour {
					first = false
					_, err := lent(t, p, chaim.Options{Account: "r"})
					assert.NoError(t, err)
					assert.Equal(t, 1, asked, "a role of the device uses the session")
				}
			}
			return ctx.Err()
		})
		require.NoError(t, err)
		assert.LessOrEqual(t, asked, 3)
		for {
			before := asked
			creds, err := lent(t, p, chaim.Options{Account: "g", Duration: 5 * time.Hour})
			require.NoError(t, err)
			assert.Greater(t, time.Until(creds.Expires), 5*time.Hour-time.Minute)
			if asked > before {
				break
			}
			<-time.After(10 * time.Minute)
		}
	})
}

// TestSessionThatAWSRefuses begins a new session, once.
func TestSessionThatAWSRefuses(t *testing.T) {
	srv := chaimtest.NewServer(t)
	awsFiles(t, srv, guarded(1))
	srv.AddMFADevice("lars", serial)
	asked := 0
	store := &memory{held: map[string]aws.Credentials{}}
	p := chaim.Profiles{Sessions: store, TokenCode: func(context.Context, chaim.MFADevice) (string, error) {
		asked++
		return srv.MFACode(serial), nil
	}}
	_, err := lent(t, p, chaim.Options{Account: "p0"})
	require.NoError(t, err)
	require.Len(t, store.held, 1)
	srv.Advance(13 * time.Hour) // as if the clock of this machine had been set back
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := p.Keys(t.Context(), chaim.Request{Account: "p0", Duration: time.Hour, Region: "eu-west-1"})
			assert.NoError(t, err)
		})
	}
	all.Wait()
	assert.Equal(t, 2, asked)
	require.Len(t, store.held, 1)
	for user, session := range store.held {
		assert.Regexp(t, "^[0-9a-f]{64} ", user, "a hash")
		assert.Equal(t, store.saved, 2)
		assert.Greater(t, time.Until(session.Expires), 11*time.Hour)
	}
}

// memory keeps sessions.
type memory struct {
	sync.Mutex
	held  map[string]aws.Credentials
	saved int
}

func (m *memory) Load(_ context.Context, user, serial string) (aws.Credentials, error) {
	m.Lock()
	defer m.Unlock()
	return m.held[user+" "+serial], nil
}

func (m *memory) Save(_ context.Context, user, serial string, session aws.Credentials) error {
	m.Lock()
	defer m.Unlock()
	m.held[user+" "+serial] = session
	m.saved++
	return nil
}

// userKeys provides keys.
func userKeys(keyID, secret string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, nil
	})
}

// TestSessionIsForItsUser has other callers know the access key id and the serial number, which are no secrets.
func TestSessionIsForItsUser(t *testing.T) {
	srv := chaimtest.NewServer(t)
	awsFiles(t, srv, "")
	own := srv.AddKeys("111111111111", "lars")
	srv.AddMFADevice("lars", serial)
	store := &memory{held: map[string]aws.Credentials{}}
	m := chaim.MFASession{
		Device: chaim.MFADevice{Serial: serial}, Sessions: store, Region: "eu-west-1",
		Keys:      userKeys(own.AccessKeyID, own.SecretAccessKey),
		TokenCode: func(context.Context, chaim.MFADevice) (string, error) { return srv.MFACode(serial), nil },
	}
	session, err := m.Retrieve(t.Context())
	require.NoError(t, err)
	again, err := m.Retrieve(t.Context())
	require.NoError(t, err)
	assert.Equal(t, session, again)
	for user := range store.held {
		assert.NotContains(t, user, own.AccessKeyID)
	}

	m.Keys = userKeys(own.AccessKeyID, "abcdefghijklmnopqrstuvwxyz0123456789abcd")
	_, err = m.Retrieve(t.Context())
	require.ErrorIs(t, err, chaim.ErrDenied, "the secret is another one")
	m.Keys = userKeys(own.AccessKeyID, own.SecretAccessKey)
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
	_, err = m.Retrieve(t.Context())
	require.ErrorIs(t, err, chaim.ErrUnreachable, "the STS is another one")
}

// TestMFASessionOfAnHTTPClient reaches STS by a client that is given.
func TestMFASessionOfAnHTTPClient(t *testing.T) {
	srv := chaimtest.NewServer(t)
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
	own := srv.AddKeys("111111111111", "lars")
	srv.AddMFADevice("lars", serial)
	var sent atomic.Int64
	next := srv.HTTPClient().Transport
	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		sent.Add(1)
		return next.RoundTrip(r)
	})}
	_, err := chaim.MFASession{
		Device: chaim.MFADevice{Serial: serial}, Region: "eu-west-1", HTTPClient: client, Keys: userKeys(own.AccessKeyID, own.SecretAccessKey),
		TokenCode: func(context.Context, chaim.MFADevice) (string, error) {
			code := srv.MFACode(serial)
			return " " + code[:3] + " " + code[3:] + "\n", nil // as some devices show it
		},
	}.Retrieve(t.Context())
	require.NoError(t, err)
	assert.Equal(t, int64(1), sent.Load())
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestMFAInTwoBubbles uses the keys and the device of one user in two tests with fake time.
func TestMFAInTwoBubbles(t *testing.T) {
	const keyID, secret = "AKIAIOSFODNN7EXAMPLE", "abcdefghijklmnopqrstuvwxyz0123456789abcd"
	config := func(*chaimtest.Server) string {
		return "[profile p]\nrole_arn = arn:aws:iam::111111111111:role/CrossAccountReadOnly\nsource_profile = own\nmfa_serial = " + serial +
			"\n[profile own]\naws_access_key_id = " + keyID + "\naws_secret_access_key = " + secret + "\n"
	}
	for range 2 {
		inBubble(t, config, func(t *testing.T, srv *chaimtest.Server) {
			slow := func(context.Context, chaim.MFADevice) (string, error) {
				<-time.After(time.Second)
				return "", errors.New("no phone")
			}
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					_, err := chaim.MFASession{
						Keys: userKeys(keyID, secret), Device: chaim.MFADevice{Serial: serial}, Region: "eu-west-1", HTTPClient: srv.HTTPClient(), TokenCode: slow,
					}.Retrieve(t.Context())
					assert.ErrorContains(t, err, "no phone")
				})
				all.Go(func() {
					_, err := lent(t, chaim.Profiles{HTTPClient: srv.HTTPClient(), TokenCode: slow}, chaim.Options{Account: "p", NoProfile: true})
					assert.ErrorContains(t, err, "no phone")
				})
			}
			all.Wait()
		})
	}
}

// TestMFAInParallelBubbles has tests with the same keys beside each other, each with a server of its own.
func TestMFAInParallelBubbles(t *testing.T) {
	noSDKConfig(t)
	asked := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	for i := range 2 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				slow := func(context.Context, chaim.MFADevice) (string, error) {
					close(asked[i])
					<-asked[1-i]
					return "", errors.New("no phone")
				}
				session := chaim.MFASession{
					Keys: userKeys("AKIAIOSFODNN7EXAMPLE", "abcdefghijklmnopqrstuvwxyz0123456789abcd"), Device: chaim.MFADevice{Serial: serial}, Region: "eu-west-1",
					HTTPClient: srv.HTTPClient(), TokenCode: slow,
				}
				_, err := session.Retrieve(t.Context())
				assert.ErrorContains(t, err, "no phone")
			})
		})
	}
}

// TestTokenCodeThatBlocks lets others use the device after the context of its caller.
func TestTokenCodeThatBlocks(t *testing.T) {
	inBubble(t, ownWithMFA, func(t *testing.T, srv *chaimtest.Server) {
		never := make(chan struct{})
		defer close(never)
		p := chaim.Profiles{HTTPClient: srv.HTTPClient(), TokenCode: func(context.Context, chaim.MFADevice) (string, error) {
			<-never
			return "", nil
		}}
		r := chaim.Request{Account: "r", Duration: time.Hour, Region: "eu-west-1"}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		var all sync.WaitGroup
		all.Go(func() {
			_, err := p.Keys(ctx, r)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorContains(t, err, "no code of MFA device "+serial)
		})
		synctest.Wait()
		waiting, stopWaiting := context.WithTimeout(t.Context(), time.Second)
		defer stopWaiting()
		_, err := p.Keys(waiting, r)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "waiting for the code of MFA device "+serial)

		p.TokenCode = func(context.Context, chaim.MFADevice) (string, error) { return srv.MFACode(serial), nil }
		began := time.Now()
		_, err = p.Keys(t.Context(), r)
		require.NoError(t, err)
		assert.LessOrEqual(t, time.Since(began), 61*time.Second)
		all.Wait()
	})
}

// TestMFADeviceHidesItsCommand prints a device whose command holds the secret of its codes.
func TestMFADeviceHidesItsCommand(t *testing.T) {
	d := chaim.MFADevice{Serial: serial, Process: "oathtool --totp -b JBSWY3DPEHPK3PXP"}
	text, err := json.Marshal(d)
	require.NoError(t, err)
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("device", "device", d)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %q %d", d, d, d, d, d, d), fmt.Sprintf("%+v", &d), string(text), logged.String()} {
		assert.Contains(t, text, serial)
		assert.NotContains(t, text, "JBSWY3DPEHPK3PXP")
	}
}
