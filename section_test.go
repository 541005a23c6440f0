package chaim_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

const storedID = "ASIAEXAMPLE000000001" // of keysText

// envelope is the whole reply of a gateway with that text.
func envelope(text string) string {
	return fmt.Sprintf(`{"statusCode": "200", "text": %q}`, text)
}

func TestStoreKeys(t *testing.T) {
	for name, wrap := range map[string]func(string) string{"text": strings.Clone, "reply": envelope} {
		for _, account := range []string{"sredev", "111111111111"} {
			t.Run(name+" for "+account, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					srv := chaimtest.NewServer(t)
					opts := optionsFor(t, srv)
					opts.Account = account
					c := clientFor(t, opts)
					creds, err := c.StoreKeys(t.Context(), []byte(wrap(keysText(nil))))
					require.NoError(t, err)
					assert.Equal(t, storedID, creds.AccessKeyID)
					assert.Equal(t, creds, c.Creds())
					assert.Equal(t, "eu-west-1", creds.Region)
					text := read(t, credentialsFile(opts))
					for _, line := range []string{
						"[tempname]", "aws_access_key_id = " + storedID, "aws_secret_access_key = " + secretCanary, "aws_session_token = " + tokenCanary,
						"expstr = Expires in 1 hour at 14:03:22.", "duration = 1", "role = rro", "accountname = sredev", "region = eu-west-1",
					} {
						assert.Contains(t, text, line+"\n")
					}
					<-time.After(29 * time.Minute)
					assert.Empty(t, srv.Requests(), "nobody is asked")
					<-time.After(12 * time.Minute)
					assert.Len(t, srv.Requests(), 1, "they are renewed like others")
					assert.NotEqual(t, storedID, c.Creds().AccessKeyID)
				})
			})
		}
	}
}

func TestStoreKeysThatAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want error
	}{
		"nothing":         {"", nil},
		"garbage":         {"<html>" + secretCanary, nil},
		"a list":          {"['" + secretCanary + "']", nil},
		"no keys":         {"{'secretkey': '" + secretCanary + "'}", nil},
		"no secret key":   {keysText(map[string]string{"secretkey": ""}), nil},
		"no account":      {keysText(map[string]string{"accountid": "", "sectionname": ""}), nil},
		"other name":      {keysText(map[string]string{"accountid": "", "sectionname": "'other'"}), nil},
		"other name, id":  {keysText(map[string]string{"accountid": "'222222222222'", "sectionname": "'Connected Homes'"}), nil},
		"other in reply":  {envelope(keysText(map[string]string{"accountid": "'222222222222'", "sectionname": "'Connected Homes'"})), nil},
		"malformed token": {keysText(map[string]string{"sessiontoken": `'` + secretCanary + `\n[x]'`}), nil},
		"expired":         {keysText(map[string]string{"expires": fmt.Sprint(time.Now().Add(-time.Minute).Unix())}), chaim.ErrExpired},
		"for a day":       {keysText(map[string]string{"expires": fmt.Sprint(time.Now().Add(24 * time.Hour).Unix())}), nil},
		"end sooner":      {keysText(map[string]string{"expires": fmt.Sprint(time.Now().Add(50 * time.Minute).Unix())}), nil},
		"denied":          {`{"statusCode": "400", "text": "Permission not granted ` + secretCanary + `"}`, chaim.ErrDenied},
		"server error":    {`{"message": "Internal server error"}`, nil},
		"huge":            {strings.Repeat("<p>"+secretCanary, 1<<20), nil},
		"huge reply":      {envelope(strings.Repeat(secretCanary, 1<<16)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			opts := optionsFor(t, srv)
			c := clientFor(t, opts)
			before, err := c.RequestKeys(t.Context())
			require.NoError(t, err)
			text := read(t, credentialsFile(opts))
			creds, err := c.StoreKeys(t.Context(), []byte(tt.text))
			require.Error(t, err)
			assert.Zero(t, creds)
			assert.True(t, strings.HasPrefix(err.Error(), `chaim: storing keys for account "sredev": `), err)
			assert.Less(t, len(err.Error()), 500)
			assertNoSecretIn(t, err, secretCanary, tokenCanary, "CANARY")
			if tt.want != nil {
				assert.ErrorIs(t, err, tt.want)
			}
			assert.Equal(t, before, c.Creds())
			assert.Equal(t, text, read(t, credentialsFile(opts)))
			assert.Len(t, srv.Requests(), 1)
			after, err := c.RequestKeys(t.Context())
			require.NoError(t, err)
			assert.NotEqual(t, storedID, after.AccessKeyID)
		})
	}
}

// TestRefusedKeysAreNoFailedRenewal: the plan for the keys at hand stays.
func TestRefusedKeysAreNoFailedRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		c := clientFor(t, optionsFor(t, srv))
		_, err := c.RequestKeys(t.Context())
		require.NoError(t, err)
		_, err = c.StoreKeys(t.Context(), []byte(keysText(map[string]string{"expires": fmt.Sprint(time.Now().Add(50 * time.Minute).Unix())})))
		require.ErrorContains(t, err, "end sooner")
		<-time.After(29 * time.Minute)
		assert.Len(t, srv.Requests(), 1)
		<-time.After(12 * time.Minute)
		assert.Len(t, srv.Requests(), 2)
	})
}

// TestStoreKeysBesideARequest has a gateway that does not answer, and may refuse in the end: nobody needs it for the keys.
func TestStoreKeysBesideARequest(t *testing.T) {
	for _, isRefused := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			opts := optionsFor(t, srv)
			c := clientFor(t, opts)
			srv.Inject(-1, func(w http.ResponseWriter, r *http.Request) {
				select {
				case <-time.After(20 * time.Second):
				case <-r.Context().Done():
				}
				answer := chaimtest.Reply(keysText(map[string]string{"accesskeyid": "'ASIAGATEWAY000000001'", "expires": fmt.Sprint(time.Now().Add(55 * time.Minute).Unix())}))
				if isRefused {
					answer = chaimtest.Refuse("Permission not granted")
				}
				answer(w, r)
			})
			asked := make(chan error, 1)
			go func() {
				_, err := c.RequestKeys(t.Context())
				asked <- err
			}()
			synctest.Wait()
			require.Len(t, srv.Requests(), 1)
			creds, err := c.StoreKeys(t.Context(), []byte(keysText(nil)))
			require.NoError(t, err)
			assert.Equal(t, isRefused, <-asked != nil)
			assert.Equal(t, storedID, creds.AccessKeyID)
			assert.Equal(t, creds, c.Creds())
			assert.Contains(t, read(t, credentialsFile(opts)), "aws_access_key_id = "+storedID+"\n")
			assert.Len(t, srv.Requests(), 1)
		})
	}
}

func TestStoreKeysWithoutAPlace(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	opts.TempName = "prod"
	write(t, credentialsFile(opts), userFile)
	c := clientFor(t, opts)
	_, err := c.StoreKeys(t.Context(), []byte(keysText(nil)))
	assert.ErrorIs(t, err, chaim.ErrInUse)
	assertNoSecretIn(t, err, "CANARY")
	assert.Equal(t, userFile, read(t, credentialsFile(opts)))
	assert.Zero(t, c.Creds())
	assert.Empty(t, srv.Requests())

	require.NoError(t, c.Close())
	_, err = c.StoreKeys(t.Context(), []byte(keysText(nil)))
	assert.ErrorIs(t, err, chaim.ErrClosed)
	assert.Empty(t, srv.Requests())
}

func TestRenewSection(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	write(t, credentialsFile(opts), userFile)
	old := keep(t, homes(opts), "homes")
	kept := read(t, credentialsFile(opts)) + "output = json\n"
	write(t, credentialsFile(opts), kept)
	require.NoError(t, os.Chmod(credentialsFile(opts), 0o644))
	c := clientFor(t, opts)
	own, err := c.RequestKeys(t.Context())
	require.NoError(t, err)
	srv.Reset()

	creds, err := c.RenewSection(t.Context(), "homes")
	require.NoError(t, err)
	require.Len(t, srv.Requests(), 1)
	r := srv.Requests()[0]
	assert.Equal(t, []any{"222222222222", "mpu", 2 * time.Hour}, []any{r.Account, r.Role, r.Duration})
	assert.Contains(t, ownerOf(t, srv, creds), "::222222222222:assumed-role/CrossAccountPowerUser/")
	text := read(t, credentialsFile(opts))
	for line := range strings.Lines(kept) {
		if !strings.HasPrefix(line, "aws_s") && !strings.HasPrefix(line, "aws_access_key_id = ASIA") && !strings.HasPrefix(line, "exp") && !strings.HasPrefix(line, "gui_url") {
			assert.Contains(t, text, line)
		}
	}
	for _, line := range []string{
		"aws_access_key_id = " + creds.AccessKeyID, "aws_secret_access_key = " + creds.SecretAccessKey, "aws_session_token = " + creds.SessionToken,
		"aws_security_token = " + creds.SessionToken, "expires = " + fmt.Sprint(creds.Expires.Unix()),
	} {
		assert.Contains(t, text, line+"\r\n")
	}
	assert.NotContains(t, text, old.SecretAccessKey)
	info, err := os.Stat(credentialsFile(opts))
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm())

	assert.Equal(t, own, c.Creds(), "the client is what it was")
	assert.Equal(t, "tempname", c.Profile())
	require.NoError(t, c.Close())
	assert.Equal(t, []string{"homes"}, profilesIn(t, opts))
}

// profilesIn are the names of the sections that have an accountname.
func profilesIn(t *testing.T, opts chaim.Options) []string {
	t.Helper()
	return heldAccounts(t, clientFor(t, opts))
}

func TestRenewSectionOfItsOwn(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	c := clientFor(t, opts)
	old, err := c.RequestKeys(t.Context())
	require.NoError(t, err)
	creds, err := c.RenewSection(t.Context(), "tempname")
	require.NoError(t, err)
	assert.NotEqual(t, old.AccessKeyID, creds.AccessKeyID)
	assert.Equal(t, creds, c.Creds())
}

// TestRenewSectionOfAnotherScope: a scope alone renews its profile.
func TestRenewSectionOfAnotherScope(t *testing.T) {
	for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
		t.Run(form.String(), func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			opts := optionsFor(t, srv)
			scope := homes(opts)
			scope.Terrible, scope.Form, scope.TempName = false, form, "homes"
			other := clientFor(t, scope)
			creds, err := other.RequestKeys(t.Context())
			require.NoError(t, err)
			before := read(t, credentialsFile(opts))
			srv.Reset()
			_, err = clientFor(t, opts).RenewSection(t.Context(), "homes")
			require.ErrorIs(t, err, chaim.ErrInUse)
			assert.ErrorContains(t, err, "[homes] belongs to a scope that may still run, and is renewed by that alone")
			assert.Empty(t, srv.Requests(), "nobody is asked")
			assert.Equal(t, before, read(t, credentialsFile(opts)))
			assert.Equal(t, creds, other.Creds())
		})
	}
}

func TestRenewSectionOfDefaultAccount(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	kept := opts
	kept.Default = true
	write(t, credentialsFile(opts), "[default]\nregion = x\n")
	old := keep(t, kept, "dev")
	c := clientFor(t, opts)
	creds, err := c.RenewSection(t.Context(), "dev")
	require.NoError(t, err)
	text := read(t, credentialsFile(opts))
	assert.NotContains(t, text, old.SecretAccessKey)
	assert.Equal(t, 2, strings.Count(text, creds.SecretAccessKey))
	assert.True(t, strings.HasPrefix(text, "[default]\n"))
	assert.Regexp(t, `\nalias = dev\naws_account_id = 111111111111\nchaim_copy = [0-9a-f]{16}\nregion = x\n`, text)

	require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
	assert.Equal(t, "[default]\nregion = x\n", read(t, credentialsFile(opts)))
}

func TestRenewSectionThatIsRefused(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	c := clientFor(t, opts) // before there is anything to sweep
	path := scopeOfTheDead(t, chaim.Process)
	scope := opts
	scope.TempName = "edited"
	require.NoError(t, chaim.WithContext(t.Context(), scope, func(_ context.Context, edited *chaim.Client) error {
		text := strings.Replace(read(t, credentialsFile(opts)), edited.Creds().AccessKeyID, "ASIAMINE000000000001", 1)
		_, dead, _ := strings.Cut(read(t, path), "REGION: eu-west-1")
		write(t, credentialsFile(opts), text+"[long]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naccountname = a\n[role]\naccountname = a\nrole = x,y\n"+
			"[region]\naccountname = a\nregion = x\n[mine]\nregion = x\n"+strings.TrimSpace(dead)+"\n")
		before := read(t, credentialsFile(opts))
		srv.Reset()
		for profile, want := range map[string]error{
			"absent": fs.ErrNotExist, "mine": chaim.ErrUnmanagedAccount, "long": chaim.ErrUnmanagedAccount, "tempname": chaim.ErrInUse,
			"edited": chaim.ErrInUse, "role": nil, "region": nil, "default": nil, "": nil, "a b": nil,
		} {
			_, err := c.RenewSection(t.Context(), profile)
			require.Error(t, err, profile)
			assert.True(t, strings.HasPrefix(err.Error(), "chaim: "), err)
			if want != nil {
				assert.ErrorIs(t, err, want)
			}
		}
		assert.Equal(t, before, read(t, credentialsFile(opts)))
		assert.Empty(t, srv.Requests(), "nobody is asked")
		return nil
	}))
	require.NoError(t, c.Close())
	_, err := c.RenewSection(t.Context(), "mine")
	assert.ErrorIs(t, err, chaim.ErrClosed)
}

func TestRenewSectionThatFailsSaysSo(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	keep(t, homes(opts), "homes")
	before := read(t, credentialsFile(opts))
	c := clientFor(t, opts)
	srv.Deny("", "Connected Homes", "")
	_, err := c.RenewSection(t.Context(), "homes")
	require.ErrorIs(t, err, chaim.ErrDenied)
	assert.Contains(t, err.Error(), `chaim: renewing profile "homes": keys for account "Connected Homes" as "mpu": `)
	assert.Equal(t, before, read(t, credentialsFile(opts)))
}

func TestRenewSectionThatChangesMeanwhile(t *testing.T) {
	for old, now := range map[string]string{
		"accountname = Connected Homes": "accountname = sredev", "role = mpu": "role = rro", "duration = 2": "duration = 3", "region = eu-west-2": "region = eu-west-3",
		"aws_security_token": "#", "aws_access_key_id = ASIA": "aws_access_key_id = AKIA", "[homes]": "[other]",
	} {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		keep(t, homes(opts), "homes")
		c := clientFor(t, opts)
		after := strings.Replace(read(t, credentialsFile(opts)), old, now, 1)
		srv.Inject(1, chaimtest.Rewrite(func(body string) string {
			write(t, credentialsFile(opts), after)
			return body
		}))
		_, err := c.RenewSection(t.Context(), "homes")
		assert.True(t, errors.Is(err, chaim.ErrInUse) || errors.Is(err, chaim.ErrUnmanagedAccount) || errors.Is(err, fs.ErrNotExist), "%s: %v", now, err)
		assert.Equal(t, after, read(t, credentialsFile(opts)))
	}
}

func TestRenewSectionBySource(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	keep(t, opts, "dev")
	keep(t, homes(opts), "homes")
	opts.Role = "mpu"
	keep(t, opts, "power")
	opts.Role, opts.Settings, opts.Source = "", nil, stsFor(srv)
	c := clientFor(t, opts)
	srv.Reset()
	before := read(t, credentialsFile(opts))
	for _, profile := range []string{"homes", "power"} {
		_, err := c.RenewSection(t.Context(), profile)
		assert.ErrorIs(t, err, chaim.ErrNotConfigured, profile)
	}
	assert.Equal(t, before, read(t, credentialsFile(opts)))
	assert.Empty(t, srv.Requests())
	_, err := c.RenewSection(t.Context(), "dev")
	require.NoError(t, err)
	require.Len(t, srv.Requests(), 1)
	assert.Equal(t, "AssumeRole", srv.Requests()[0].Action)
}

func TestRenewSectionWithoutAGateway(t *testing.T) {
	noSDKConfig(t)
	srv := chaimtest.NewServer(t)
	keys := srv.AddKeys("sredev", "somebody")
	t.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys.SecretAccessKey)
	opts := optionsFor(t, srv)
	opts.Settings = nil
	write(t, credentialsFile(opts), "[id]\naccountname = 222222222222\nrole = mpu\nregion = eu-west-2\nduration = 900\n[name]\naccountname = Connected Homes\n")
	opts.Account = ""
	c := clientFor(t, opts)
	creds, err := c.RenewSection(t.Context(), "id")
	require.NoError(t, err)
	assert.Contains(t, ownerOf(t, srv, creds), "::222222222222:assumed-role/CrossAccountPowerUser/")
	assert.Equal(t, 15*time.Minute, srv.Requests()[0].Duration)
	srv.Reset()
	_, err = c.RenewSection(t.Context(), "name")
	assert.ErrorIs(t, err, chaim.ErrNotConfigured)
	assert.Empty(t, srv.Requests())
}

// TestRenewManySectionsAtOnce has one client renew all there is, in sections that say as little as they may.
func TestRenewManySectionsAtOnce(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	text := userFile + "\n"
	for i := range 20 {
		text += fmt.Sprintf("[p%d]\naccountname = sredev\nn = %d\n", i, i)
	}
	write(t, credentialsFile(opts), text)
	c := clientFor(t, opts)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			creds, err := c.RenewSection(t.Context(), fmt.Sprintf("p%d", i))
			assert.NoError(t, err)
			assert.Equal(t, "eu-west-1", creds.Region)
		})
	}
	wg.Wait()
	assert.Len(t, srv.Requests(), 20)
	assert.Len(t, heldAccounts(t, c), 20)
	for i := range 20 {
		require.NoError(t, c.DeleteAccount(t.Context(), fmt.Sprintf("p%d", i)))
	}
	rest := userFile + "\n"
	for i := range 20 {
		rest += fmt.Sprintf("[p%d]\nn = %d\n", i, i)
	}
	assert.Equal(t, rest, read(t, credentialsFile(opts)))
}

// TestDeleteAccountThatIsParkedToo removes both, but not what is parked of another account.
func TestDeleteAccountThatIsParkedToo(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	c := clientFor(t, opts)
	write(t, parkedFile(opts), fullDefinition)
	keep(t, opts, "homes")
	require.NoError(t, c.DeleteAccount(t.Context(), "homes"), "one of another account")
	assert.Equal(t, [2]string{"", fullDefinition}, bothFiles(t, opts))

	keep(t, homes(opts), "homes")
	const theirs = "# mine\noutput = json\n"
	write(t, credentialsFile(opts), read(t, credentialsFile(opts))+theirs)
	require.NoError(t, c.DeleteAccount(t.Context(), "homes"))
	assert.Equal(t, [2]string{"[homes]\n" + theirs, ""}, bothFiles(t, opts))
	assert.ErrorIs(t, c.DeleteAccount(t.Context(), "homes"), chaim.ErrUnmanagedAccount)
}

// TestDeleteAccountThatIsOnlyParked removes what stands in chaim-parked, live keys of cca's included, but nothing of the
// user's.
func TestDeleteAccountThatIsOnlyParked(t *testing.T) {
	const liveKeys = "aws_access_key_id = ASIACANARYCANARYCAN1\naws_secret_access_key = CANARY\naws_session_token = CANARY\nexpires = 4102444800\nexpstr = later\ngui_url = notset\n"
	for name, tt := range map[string]struct{ file, parked, want string }{
		"by chaim":               {"", fullDefinition, ""},
		"by cca":                 {"", fullDefinition + liveKeys, ""},
		"beside others":          {"", fullDefinition + "\n[other]\naccountname = sredev\n", "\n[other]\naccountname = sredev\n"},
		"with the user's lines":  {"", fullDefinition + "# mine\noutput = json\n", "[homes]\n# mine\noutput = json\n"},
		"a section left behind":  {"[homes]\noutput = json\n", fullDefinition + liveKeys, ""},
		"where there is nothing": {"", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(t, chaimtest.NewServer(t))
			if tt.file != "" {
				write(t, credentialsFile(opts), tt.file)
			}
			write(t, parkedFile(opts), tt.parked)
			c := clientFor(t, opts)
			require.NoError(t, c.DeleteAccount(t.Context(), "homes"))
			assert.Equal(t, [2]string{tt.file, tt.want}, bothFiles(t, opts))
			names, err := c.ListParkAccounts(t.Context())
			require.NoError(t, err)
			assert.NotContains(t, names, "homes")
		})
	}
	opts := optionsFor(t, chaimtest.NewServer(t))
	write(t, parkedFile(opts), "[homes]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n")
	assert.ErrorIs(t, clientFor(t, opts).DeleteAccount(t.Context(), "homes"), chaim.ErrUnmanagedAccount)
	require.NoError(t, os.Remove(parkedFile(opts)))
	require.NoError(t, os.Mkdir(parkedFile(opts), 0o700))
	assert.Error(t, clientFor(t, opts).DeleteAccount(t.Context(), "homes"), "a file that cannot be read")
}

// TestNameWithABracket has a section whose header goes on after its first bracket, which has two names among readers. Under
// that of the list it is deleted, and the error of a renewal says what to do.
func TestNameWithABracket(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	opts.Account = ""
	const before = "[a]b]\naws_access_key_id = ASIAEXAMPLEEXAMPLE00\naws_secret_access_key = CANARY\naws_session_token = CANARY\naccountname = sredev\nrole = rro\n"
	write(t, credentialsFile(opts), before)
	c := clientFor(t, opts)
	_, err := c.RenewSection(t.Context(), "a]b")
	for _, err := range []error{err, c.DeleteAccount(t.Context(), "a]b"), c.ParkAccount(t.Context(), "a]b")} {
		assert.ErrorContains(t, err, `its profile is "a"`)
	}
	assert.Equal(t, before, read(t, credentialsFile(opts)))
	_, err = c.RenewSection(t.Context(), "a")
	assert.ErrorContains(t, err, "leave nothing but [a] on that line", "or readers would go on to differ")
	assert.NoError(t, c.DeleteAccount(t.Context(), "a"))
	assert.NotContains(t, read(t, credentialsFile(opts)), "aws_")
}
