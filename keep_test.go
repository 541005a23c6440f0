package chaim_test

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/inifile"
)

// keeper has keys in a profile that it keeps under a name, and is closed when the test ends.
func keeper(t *testing.T, opts chaim.Options, account, name string) *chaim.Client {
	t.Helper()
	opts.Account, opts.TempName, opts.Keep = account, name, true
	c := clientFor(t, opts)
	_, err := c.RequestKeys(t.Context())
	require.NoError(t, err)
	return c
}

// TestKeptProfileWithKeysOfTheUser does what "aws configure --profile dev" does, which leaves the accountname.
func TestKeptProfileWithKeysOfTheUser(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	c := keeper(t, opts, "sredev", "dev")
	mine := strings.NewReplacer(c.Creds().AccessKeyID, "AKIAIOSFODNN7EXAMPLE", c.Creds().SecretAccessKey, "mine").Replace(read(t, credentialsFile(opts)))
	write(t, credentialsFile(opts), mine)
	for _, client := range []*chaim.Client{c, clientFor(t, opts)} {
		assert.ErrorIs(t, client.DeleteAccount(t.Context(), "dev"), chaim.ErrUnmanagedAccount)
		assert.ErrorIs(t, client.ParkAccount(t.Context(), "dev"), chaim.ErrUnmanagedAccount)
	}
	_, err := c.RequestKeys(t.Context())
	assert.ErrorIs(t, err, chaim.ErrInUse)
	opts.TempName, opts.Keep = "dev", true
	_, err = clientFor(t, opts).RequestKeys(t.Context())
	assert.ErrorIs(t, err, chaim.ErrInUse)
	assert.Equal(t, mine, read(t, credentialsFile(opts)))
}

func TestTwoKeepersOfOneName(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	first := keeper(t, opts, "sredev", "dev")
	second := keeper(t, opts, "Connected Homes", "dev")
	want := read(t, credentialsFile(opts))
	_, err := first.RequestKeys(t.Context())
	assert.ErrorIs(t, err, chaim.ErrInUse)
	assert.Equal(t, want, read(t, credentialsFile(opts)), "of the last one")
	require.NoError(t, first.DeleteAccount(t.Context(), "dev"), "as anybody can")
	assert.Empty(t, read(t, credentialsFile(opts)))
	assert.Zero(t, first.Creds())
	assert.NotZero(t, second.Creds())
}

// TestDeletedDefaultLeavesNoKeys deletes default accounts of whose copy the section tells little, or nothing.
func TestDeletedDefaultLeavesNoKeys(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, opts chaim.Options){
		"section removed by hand": func(t *testing.T, opts chaim.Options) {
			doc, err := inifile.Delete([]byte(read(t, credentialsFile(opts))), "dev")
			require.NoError(t, err)
			write(t, credentialsFile(opts), string(doc))
		},
		"kept again for another account": func(t *testing.T, opts chaim.Options) {
			keeper(t, opts, "Connected Homes", "dev")
			inDefault, inProfile := copies(t, []byte(read(t, credentialsFile(opts))), "dev")
			assert.Equal(t, inProfile, inDefault)
		},
	} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(t, chaimtest.NewServer(t))
			def := opts
			def.Default = true
			keeper(t, def, "sredev", "dev")
			change(t, opts)
			require.NoError(t, clientFor(t, opts).DeleteAccount(t.Context(), "dev"))
			assert.NotContains(t, read(t, credentialsFile(opts)), "aws_")
		})
	}
}

// TestPastedDefaultStays has the user put temporary keys of their own over the copy of a kept account.
func TestPastedDefaultStays(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	def := opts
	def.Default = true
	c := keeper(t, def, "sredev", "dev")
	text := read(t, credentialsFile(opts))
	pasted := strings.Replace(text, c.Creds().AccessKeyID, "ASIAEXAMPLE00000MINE", 1)
	require.True(t, strings.HasPrefix(pasted, "[default]\naws_access_key_id = ASIAEXAMPLE00000MINE\n"), pasted)
	write(t, credentialsFile(opts), pasted)
	_, err := c.RenewSection(t.Context(), "dev")
	require.NoError(t, err)
	opts.Default, opts.TempName, opts.Keep = true, "homes", true
	_, err = clientFor(t, opts).RequestKeys(t.Context())
	assert.ErrorIs(t, err, chaim.ErrUnmanagedAccount)
	require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
	inDefault, _ := copies(t, []byte(read(t, credentialsFile(opts))), "dev")
	assert.Equal(t, "ASIAEXAMPLE00000MINE", inDefault["aws_access_key_id"])
	assert.NotEmpty(t, inDefault["aws_session_token"])
}

// TestParkedBesideAnotherFile has two credentials files in one folder, each with accounts of its own.
func TestParkedBesideAnotherFile(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	work := opts
	work.Dir = ""
	keep(t, opts, "dev")
	require.NoError(t, clientFor(t, opts).ParkAccount(t.Context(), "dev"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", credentialsFile(opts)+"-work")
	c := keeper(t, work, "sredev", "dev")
	require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
	assert.Equal(t, []string{"dev"}, parkedAccounts(t, clientFor(t, opts)))
	c = keeper(t, work, "Connected Homes", "dev")
	require.NoError(t, c.ParkAccount(t.Context(), "dev"))
	assert.FileExists(t, parkedFile(opts)+"-credentials-work")
	assert.Equal(t, []string{"dev"}, parkedAccounts(t, clientFor(t, work)))
}

// TestStoreKeysQuotesNoToken stores a refusal that quotes the token of another user.
func TestStoreKeysQuotesNoToken(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	c := clientFor(t, opts)
	for _, token := range []string{opts.Settings.UserToken, "0b0e7b8e-7d3f-4a1e-9a51-7f6c0d6e9c11"} {
		_, err := c.StoreKeys(t.Context(), []byte(`{"statusCode": "400", "text": "Error IncorrectCredentials: token `+token+` has expired"}`))
		require.ErrorIs(t, err, chaim.ErrDenied)
		assert.NotContains(t, err.Error(), token)
		assert.Contains(t, err.Error(), "has expired")
	}
}

func TestUnparkIntoNotesOfTheUser(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	keep(t, opts, "dev")
	c := clientFor(t, opts)
	require.NoError(t, c.ParkAccount(t.Context(), "dev"))
	require.NoError(t, os.WriteFile(credentialsFile(opts), []byte("[dev]\n# notes\n"), 0o600))
	_, err := c.UnparkAccount(t.Context(), "dev")
	assert.ErrorIs(t, err, chaim.ErrUnmanagedAccount)
	assert.Equal(t, "[dev]\n# notes\n", read(t, credentialsFile(opts)))
	assert.Equal(t, []string{"dev"}, parkedAccounts(t, c))
}

// TestDefaultRenewedBehindItsCopy has another tool renew a kept default account, but not the copy.
func TestDefaultRenewedBehindItsCopy(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	def := opts
	def.Default = true
	c := keeper(t, def, "sredev", "dev")
	text := read(t, credentialsFile(opts))
	i := strings.Index(text, "[dev]")
	write(t, credentialsFile(opts), text[:i]+strings.ReplaceAll(text[i:], c.Creds().AccessKeyID, "ASIAEXAMPLE000RENEWED"))
	other := clientFor(t, opts)
	_, err := other.RenewSection(t.Context(), "dev")
	require.NoError(t, err)
	inDefault, inProfile := copies(t, []byte(read(t, credentialsFile(opts))), "dev")
	assert.Equal(t, inProfile, inDefault)
	keeper(t, def, "Connected Homes", "homes")
	inDefault, inProfile = copies(t, []byte(read(t, credentialsFile(opts))), "homes")
	assert.Equal(t, inProfile, inDefault, "another default account")
	require.NoError(t, other.DeleteAccount(t.Context(), "homes"))
	require.NoError(t, other.DeleteAccount(t.Context(), "homes"))
	assert.NotContains(t, read(t, credentialsFile(opts))[:strings.Index(read(t, credentialsFile(opts)), "[dev]")], "aws_")
}

// TestKeepWithTwoDefaults keeps an account beside a section [default] that stands twice, which is no business of its.
func TestKeepWithTwoDefaults(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	const before = "[default]\noutput = json\n[default]\nregion = x\n"
	write(t, credentialsFile(opts), before)
	c := keeper(t, opts, "sredev", "dev")
	_, err := c.RequestKeys(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
	assert.Equal(t, before, read(t, credentialsFile(opts)))
}

func TestStoreKeysAllAtOnce(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	opts.NoRenew = true
	c := clientFor(t, opts)
	ends := time.Now().Add(time.Hour).Unix()
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			id := fmt.Sprintf("ASIAEXAMPLE%09d", i)
			creds, err := c.StoreKeys(t.Context(), fmt.Appendf(nil, `{"accountid": "111111111111", "sectionname": "sredev", "accesskeyid": %q, "secretkey": "s", "sessiontoken": "t", "expires": %d}`, id, ends))
			if assert.NoError(t, err) {
				assert.Equal(t, id, creds.AccessKeyID)
			}
		})
	}
	wg.Wait()
	assert.Empty(t, srv.Requests())
}

func TestKeysOfAnotherAccountAreRefused(t *testing.T) {
	opts := chaim.Options{Account: "111111111111", Dir: t.TempDir(), Source: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "ASIAEXAMPLE000000001", SecretAccessKey: "s", SessionToken: "t", AccountID: "222222222222"}, nil
	})}
	_, err := clientFor(t, opts).RequestKeys(t.Context())
	assert.ErrorContains(t, err, "for account \"222222222222\"")
	assert.NoFileExists(t, credentialsFile(opts))
}

// TestDeleteAccountBesideAnUnreadableFile has something else where the definitions are.
func TestDeleteAccountBesideAnUnreadableFile(t *testing.T) {
	for _, isOwn := range []bool{false, true} {
		opts := optionsFor(t, chaimtest.NewServer(t))
		opts.TempName, opts.Keep = "dev", true
		c := clientFor(t, opts)
		_, err := c.RequestKeys(t.Context())
		require.NoError(t, err)
		require.NoError(t, os.Mkdir(parkedFile(opts), 0o700))
		by := c
		if !isOwn {
			by = clientFor(t, opts)
		}
		err = by.DeleteAccount(t.Context(), "dev")
		var at *fs.PathError
		require.ErrorAs(t, err, &at)
		assert.Equal(t, parkedFile(opts), at.Path)
		assert.ErrorContains(t, err, `chaim: profile "dev" is deleted, but `)
		assert.Empty(t, read(t, credentialsFile(opts)))
		err = by.DeleteAccount(t.Context(), "dev")
		if isOwn {
			assert.ErrorIs(t, err, chaim.ErrClosed)
		} else {
			assert.ErrorAs(t, err, &at, "there may be keys in it")
		}
	}
}

// TestHeldUnderANameThatIsParked has the two files disagree on the role and the duration.
func TestHeldUnderANameThatIsParked(t *testing.T) {
	for name, meanwhile := range map[string]string{"undisturbed": "", "changed meanwhile": "mpu"} {
		t.Run(name, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			opts := optionsFor(t, srv)
			write(t, parkedFile(opts), fullDefinition)
			held := homes(opts)
			held.Role, held.Duration, held.Terrible = "rro", time.Hour, false
			keep(t, held, "homes")
			before := read(t, credentialsFile(opts))
			c := clientFor(t, opts)
			assert.Empty(t, parkedAccounts(t, c))
			srv.Reset()
			srv.Inject(1, chaimtest.Rewrite(func(body string) string {
				before = strings.Replace(before, "role = rro", "role = "+cmp.Or(meanwhile, "rro"), 1)
				write(t, credentialsFile(opts), before)
				return body
			}))
			_, err := c.UnparkAccount(t.Context(), "homes")
			require.Len(t, srv.Requests(), 1)
			assert.Equal(t, "rro", srv.Requests()[0].Role)
			assert.Equal(t, time.Hour, srv.Requests()[0].Duration)
			files := bothFiles(t, opts)
			if meanwhile != "" {
				assert.ErrorIs(t, err, chaim.ErrInUse)
				assert.Equal(t, [2]string{before, fullDefinition}, files)
				return
			}
			require.NoError(t, err)
			assert.NotEqual(t, before, files[0])
			assert.Contains(t, files[0], "duration = 1\n")
			assert.Contains(t, files[0], "role = rro\n")
			assert.NotContains(t, files[0], "aws_security_token")
			assert.Empty(t, files[1])
		})
	}
}
