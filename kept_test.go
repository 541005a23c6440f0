package chaim_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// keeper returns a client that keeps a profile under a name. The end of the test closes it.
func keeper(t *testing.T, opts chaim.Options, account, name string) *chaim.Client {
	t.Helper()
	opts.Account, opts.TempName, opts.Keep = account, name, true
	c := clientFor(t, opts)
	_, err := c.RequestKeys(t.Context())
	require.NoError(t, err)
	return c
}

// TestKeptProfileWithKeysOfTheUser: "aws configure --profile dev" replaces the keys but leaves the accountname.
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
	require.NoError(t, first.DeleteAccount(t.Context(), "dev"), "as any client can")
	assert.Empty(t, read(t, credentialsFile(opts)))
	assert.Zero(t, first.Creds())
	assert.NotZero(t, second.Creds())
}

// TestDeletedDefaultLeavesNoKeys deletes default accounts whose section lacks the data about the copy.
func TestDeletedDefaultLeavesNoKeys(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, opts chaim.Options){
		"section removed by hand": func(t *testing.T, opts chaim.Options) {
			parsed := inifile.Parse([]byte(read(t, credentialsFile(opts))))
			err := parsed.Delete("dev")
			doc := parsed.Bytes()
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

// TestPastedDefaultStays: the user replaces the copy of a kept account with temporary keys of their own.
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

// TestParkedBesideAnotherFile: two credentials files in one folder have different accounts.
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

// TestDefaultRenewedBehindItsCopy: another tool renews a kept default account, but not the copy.
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

// TestKeepWithTwoDefaults keeps an account although the section [default] occurs twice.
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

// TestDeleteAccountBesideAnUnreadableFile: chaim-parked is not a file.
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

// TestHeldUnderANameThatIsParked: the two files disagree on the role and the duration.
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

// atOnce is a gateway that answers requests for keys only when a number of clients have asked.
func atOnce(srv *chaimtest.Server, clients int) {
	var all sync.WaitGroup
	all.Add(clients)
	srv.Inject(clients, chaimtest.Rewrite(func(body string) string {
		all.Done()
		all.Wait()
		return body
	}))
}

// TestKeepTwoAccountsAtOnce: two clients keep two accounts under one name, again and again. One succeeds, and the other gets
// an error.
func TestKeepTwoAccountsAtOnce(t *testing.T) {
	srv := chaimtest.NewServer(t)
	accounts := []string{"sredev", "Connected Homes"}
	for round := range 50 {
		opts := optionsFor(t, srv)
		opts.TempName, opts.Keep, opts.NoRenew = "dev", true, true
		opts.NoReplace = round%2 == 0
		atOnce(srv, len(accounts))
		clients, errs := make([]*chaim.Client, len(accounts)), make([]error, len(accounts))
		var wg sync.WaitGroup
		for i, account := range accounts {
			opts.Account = account
			clients[i] = clientFor(t, opts)
			wg.Go(func() { _, errs[i] = clients[i].RequestKeys(t.Context()) })
		}
		wg.Wait()
		winner := 0
		if errs[0] != nil {
			winner = 1
		}
		require.NoError(t, errs[winner])
		require.ErrorIs(t, errs[1-winner], chaim.ErrInUse)
		assert.ErrorContains(t, errs[1-winner], fmt.Sprintf("profile %q is held for account %q: delete it, or choose another profile name", "dev", accounts[winner]))
		text := read(t, credentialsFile(opts))
		assert.Contains(t, text, "accountname = "+accounts[winner]+"\n")
		assert.Contains(t, text, clients[winner].Creds().AccessKeyID)
	}
}

// TestKeepNoReplace: Options.NoReplace leaves profiles of other accounts with valid keys alone.
// TestStoreKeysReplaces: stored keys replace the keys of another account, as requested ones do.
func TestStoreKeysReplaces(t *testing.T) {
	for _, isRefused := range []bool{false, true} {
		opts := optionsFor(t, chaimtest.NewServer(t))
		opts.TempName, opts.Keep, opts.NoReplace = "dev", true, isRefused
		const other = "[dev]\naws_access_key_id = ASIATHEIRS0000000001\naws_secret_access_key = CANARY\naws_session_token = CANARY\nexpires = 4102444800\naccountname = other\naccountid = 222222222222\n"
		write(t, credentialsFile(opts), other)
		_, err := clientFor(t, opts).StoreKeys(t.Context(), []byte(keysText(nil)))
		if isRefused {
			require.ErrorIs(t, err, chaim.ErrInUse)
			assert.Equal(t, other, read(t, credentialsFile(opts)))
			continue
		}
		require.NoError(t, err)
		assert.Contains(t, read(t, credentialsFile(opts)), "accountid = 111111111111\n")
	}
}

func TestKeepNoReplace(t *testing.T) {
	const keys = "[dev]\naws_access_key_id = ASIATHEIRS0000000001\naws_secret_access_key = CANARY\naws_session_token = CANARY\n"
	for name, tt := range map[string]struct {
		section string
		isFree  bool
	}{
		"same account":                 {keys + "expires = 4102444800\naccountname = sredev\n", true},
		"same id, renamed":             {keys + "expires = 4102444800\naccountname = old-name\naccountid = 111111111111\n", true},
		"same id as name":              {keys + "expires = 4102444800\naccountname = 111111111111\n", true},
		"same name, another id":        {keys + "expires = 4102444800\naccountname = sredev\naccountid = 222222222222\n", false},
		"another account":              {keys + "expires = 4102444800\naccountname = other\n", false},
		"another account with an id":   {keys + "expires = 4102444800\naccountname = other\naccountid = 222222222222\n", false},
		"another account, expired":     {keys + "expires = 1536139015\naccountname = other\n", true},
		"another account, unknown end": {keys + "accountname = other\n", false},
		"another account without keys": {"[dev]\naccountname = other\nrole = rro\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(t, chaimtest.NewServer(t))
			opts.TempName, opts.Keep, opts.NoReplace = "dev", true, true
			write(t, credentialsFile(opts), tt.section)
			_, err := clientFor(t, opts).RequestKeys(t.Context())
			if tt.isFree {
				require.NoError(t, err)
				assert.Contains(t, read(t, credentialsFile(opts)), "accountid = 111111111111\n")
				return
			}
			require.ErrorIs(t, err, chaim.ErrInUse)
			assert.ErrorContains(t, err, `profile "dev" is held for account "`)
			assert.Equal(t, tt.section, read(t, credentialsFile(opts)))
			opts.NoReplace = false
			_, err = clientFor(t, opts).RequestKeys(t.Context())
			assert.NoError(t, err, "by a client that says so")
		})
	}
}

// gatewayLines are the settings of a gateway.
const gatewayLines = "[default]\nendpoint = https://gateway.example/prod\nregion = eu-west-1\nusername = chris\nusertoken = CANARY-token\n"

// defaultFor is optionsFor for a kept default account.
func defaultFor(t *testing.T, srv *chaimtest.Server) chaim.Options {
	t.Helper()
	opts := optionsFor(t, srv)
	opts.Default, opts.Keep, opts.TempName = true, true, "dev"
	return opts
}

// folder returns everything that a call which only reads must not change.
func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	found := map[string]string{}
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		found[e.Name()] = fmt.Sprint(info.Mode(), info.ModTime().UnixNano())
		if !e.IsDir() {
			found[e.Name()] += read(t, filepath.Join(dir, e.Name()))
		}
	}
	return found
}

// assertReads checks that a call leaves the folder of opts as it is, and fails after Close.
func assertReads[T any](t *testing.T, opts chaim.Options, call func(*chaim.Client, context.Context) (T, error)) (T, error) {
	t.Helper()
	before := folder(t, opts.Dir)
	c, err := chaim.New(opts)
	require.NoError(t, err)
	value, callErr := call(c, t.Context())
	require.NoError(t, c.Close())
	_, err = call(c, t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed)
	assert.Equal(t, before, folder(t, opts.Dir))
	return value, callErr
}

func TestDefaultSection(t *testing.T) {
	noSDKConfig(t)
	opts := chaim.Options{Dir: t.TempDir()}
	for _, text := range []string{"", "[a]\nk = v\n"} {
		_, err := assertReads(t, opts, (*chaim.Client).DefaultSection)
		require.ErrorIs(t, err, chaim.ErrNotConfigured)
		assert.ErrorContains(t, err, "no section [default] in "+credentialsFile(opts)+": store the settings of a gateway there")
		write(t, credentialsFile(opts), text)
	}
	write(t, credentialsFile(opts), gatewayLines+"Mine=x # y\ns3 =\n  region = z\n")
	s, err := assertReads(t, opts, (*chaim.Client).DefaultSection)
	require.NoError(t, err)
	assert.Equal(t, "default", s.Name)
	assert.Equal(t, []string{"endpoint", "mine", "region", "s3", "username", "usertoken"}, s.Keys())
	assert.Equal(t, "CANARY-token", s.Value("usertoken"))
	assert.Equal(t, "eu-west-1", s.Value("region"))
	assert.Equal(t, "x # y", s.Value("mine"))
	assert.Empty(t, s.Value("absent"))
	assert.Empty(t, chaim.Section{}.Keys())
	assert.Empty(t, chaim.Section{}.Value("region"))

	var out bytes.Buffer
	wrapped := struct{ s chaim.Section }{s}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%p", "%T"} {
		fmt.Fprintf(&out, verb+verb+verb+verb, s, &s, wrapped, []chaim.Section{s})
	}
	for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))} {
		log.Info("section", "value", s, "pointer", &s, "wrapped", wrapped)
	}
	text, err := json.Marshal(map[string]any{"value": s, "pointer": &s, "wrapped": wrapped})
	require.NoError(t, err)
	assert.Contains(t, string(text), "default")
	for _, value := range []string{"CANARY", fmt.Sprintf("%x", "CANARY"), "chris", "gateway.example"} {
		assert.NotContains(t, out.String()+string(text), value)
	}

	opts.Settings = chaimtest.NewServer(t).Settings() // New needs it
	write(t, credentialsFile(opts), "[default]\n[a]\n[default]\n")
	_, err = assertReads(t, opts, (*chaim.Client).DefaultSection)
	assert.ErrorContains(t, err, "stands twice")
	assert.NotErrorIs(t, err, chaim.ErrNotConfigured)
}

func TestDefaultAccount(t *testing.T) {
	noSDKConfig(t)
	opts := chaim.Options{Dir: t.TempDir()}
	_, err := assertReads(t, opts, (*chaim.Client).DefaultAccount)
	assert.ErrorIs(t, err, chaim.ErrNotConfigured)
	write(t, credentialsFile(opts), gatewayLines)
	_, err = assertReads(t, opts, (*chaim.Client).DefaultAccount)
	require.ErrorIs(t, err, chaim.ErrNotConfigured)
	assert.ErrorContains(t, err, "names no default account: keep one with Options.Default")
	for lines, want := range map[string]string{"section = Dev\n": "Dev", "section = Dev\nAlias = d\n": "d", "alias = d\n": "d"} {
		write(t, credentialsFile(opts), gatewayLines+lines)
		name, err := assertReads(t, opts, (*chaim.Client).DefaultAccount)
		assert.NoError(t, err)
		assert.Equal(t, want, name)
	}
}

func TestEndpoint(t *testing.T) {
	noSDKConfig(t)
	opts := chaim.Options{Dir: t.TempDir()}
	_, err := assertReads(t, opts, (*chaim.Client).Endpoint)
	require.ErrorIs(t, err, chaim.ErrNotConfigured)
	assert.ErrorContains(t, err, "there is no gateway")
	for text, want := range map[string]string{
		gatewayLines: "https://gateway.example/prod/",
		"[default]\napi = abcdefghij\nstage = prod\nregion = eu-west-2\nusername = u\nusertoken = t\n": "https://abcdefghij.execute-api.eu-west-2.amazonaws.com/prod/",
	} {
		write(t, credentialsFile(opts), text)
		url, err := assertReads(t, opts, (*chaim.Client).Endpoint)
		assert.NoError(t, err)
		assert.Equal(t, want, url)
	}
	opts.Account, opts.Source = "sredev", credentials.NewStaticCredentialsProvider("ASIAEXAMPLE000000001", "s", "t")
	_, err = assertReads(t, opts, (*chaim.Client).Endpoint)
	assert.ErrorIs(t, err, chaim.ErrNotConfigured, "a Source is asked, and no gateway")
}

func TestClientWithoutAccount(t *testing.T) {
	noSDKConfig(t)
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	opts.Account = ""
	write(t, credentialsFile(opts), userFile)
	before := folder(t, opts.Dir)
	c, err := chaim.New(opts)
	require.NoError(t, err)
	defer c.Close()
	_, err = c.RequestKeys(t.Context())
	assert.EqualError(t, err, "chaim: no account given")
	_, err = c.Retrieve(t.Context())
	assert.EqualError(t, err, "chaim: no account given")
	err = chaim.With("", "rro", 1, func(string) error { t.Error("fn was called"); return nil })
	assert.EqualError(t, err, "chaim: no account given")
	err = chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
	assert.EqualError(t, err, "chaim: no account given")
	assert.Empty(t, srv.Requests())
	assert.Equal(t, before, folder(t, opts.Dir))

	accounts, err := c.RequestList(t.Context())
	assert.NoError(t, err)
	assert.NotEmpty(t, accounts)
	plain, err := chaim.New(chaim.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	defer plain.Close()
	_, err = plain.MyAccountList(t.Context())
	assert.NoError(t, err)
	_, err = plain.RequestList(t.Context())
	assert.ErrorIs(t, err, chaim.ErrNotConfigured)
}

// sdkKeys returns the keys that an SDK uses without a profile.
func sdkKeys(t *testing.T, opts chaim.Options) (aws.Credentials, error) {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithSharedCredentialsFiles([]string{credentialsFile(opts)}), config.WithSharedConfigFiles([]string{}))
	require.NoError(t, err)
	return cfg.Credentials.Retrieve(t.Context())
}

// copies returns the lines of [default] and of a profile that belong to a copy.
func copies(t *testing.T, text []byte, profile string) (inDefault, inProfile map[string]string) {
	t.Helper()
	pick := func(name string) map[string]string {
		pairs, _, err := inifile.Parse(text).Managed(name)
		require.NoError(t, err)
		picked := map[string]string{}
		for _, key := range []string{"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token", "expires", inifile.ProcessKey, inifile.ScopeKey} {
			picked[key] = pairs[key]
		}
		return picked
	}
	return pick(inifile.DefaultSection), pick(profile)
}

// TestDefaultOfAKeptAccount keeps, renews and deletes a default account, with various lines in [default] before.
func TestDefaultOfAKeptAccount(t *testing.T) {
	noSDKConfig(t)
	const header = "[default]\n"
	for name, tt := range map[string]struct{ before, after string }{ // after the deletion
		"empty":             {"", header},
		"no default":        {"[a]\nk = v\n", "[a]\nk = v\n\n" + header},
		"settings":          {gatewayLines, gatewayLines},
		"settings, first":   {gatewayLines + "\n[a]\nk = v\n", gatewayLines + "\n[a]\nk = v\n"},
		"settings, last":    {"[a]\nk = v\n\n" + gatewayLines + "# end\n", "[a]\nk = v\n\n" + gatewayLines + "# end\n"},
		"settings, CRLF":    {strings.ReplaceAll(gatewayLines, "\n", "\r\n"), strings.ReplaceAll(gatewayLines, "\n", "\r\n")},
		"nested":            {header + "region = eu-west-1\ns3 =\n  section = 10\n# c\n\n[b]\nk=v\n", header + "region = eu-west-1\ns3 =\n  section = 10\n# c\n\n[b]\nk=v\n"},
		"another was kept":  {gatewayLines + "section = old\nexpires = 1\n[z]\nk = v\n", gatewayLines + "[z]\nk = v\n"},
		"another, odd case": {header + "Alias : old\nSection=Old\n", header},
	} {
		t.Run(name, func(t *testing.T) {
			opts := defaultFor(t, chaimtest.NewServer(t))
			opts.Terrible = name == "settings"
			write(t, credentialsFile(opts), tt.before)
			settings, _, err := inifile.Parse([]byte(tt.before)).All("default")
			require.NoError(t, err)
			c, err := chaim.New(opts)
			require.NoError(t, err)
			defer c.Close()
			for range 2 {
				_, err := c.RequestKeys(t.Context())
				require.NoError(t, err)
				got, err := sdkKeys(t, opts)
				require.NoError(t, err)
				assert.Equal(t, c.Creds().AccessKeyID+c.Creds().SecretAccessKey+c.Creds().SessionToken, got.AccessKeyID+got.SecretAccessKey+got.SessionToken)
				text := []byte(read(t, credentialsFile(opts)))
				inDefault, inProfile := copies(t, text, "dev")
				assert.Equal(t, inProfile, inDefault)
				assert.Equal(t, opts.Terrible, inDefault["aws_security_token"] != "")
				kept, _, err := inifile.Parse(text).All("default")
				require.NoError(t, err)
				for _, key := range []string{"endpoint", "region", "username", "usertoken", "output", "s3", "duration", "role", "accountname", "gui_url", "expstr"} {
					assert.Equal(t, settings[key], kept[key], key)
				}
			}
			require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
			assert.Equal(t, tt.after, read(t, credentialsFile(opts)))
		})
	}
}

func TestDefaultRefusals(t *testing.T) {
	noSDKConfig(t)
	const foreign = "[default]\naws_access_key_id = ASIAEXAMPLE000000001\naws_secret_access_key = s\naws_session_token = t\n"
	for name, tt := range map[string]struct {
		credentials, config string
		isUnmanaged         bool
		says                string
	}{
		"long-lived keys":         {credentials: "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\nsection = dev\n", isUnmanaged: true, says: "keys of yours"},
		"temporary keys":          {credentials: foreign, isUnmanaged: true, says: "keys of yours"},
		"token alone":             {credentials: "[default]\naws_session_token = t\n", isUnmanaged: true, says: "keys of yours"},
		"role in the config file": {config: "[default]\nrole_arn = x\n", says: "role_arn"},
		"SSO in the config file":  {credentials: gatewayLines, config: "[profile default]\nsso_session = x\n", says: "sso_session"},
		"role":                    {credentials: "[default]\nrole_arn = x\n", says: "role_arn"},
		"SSO":                     {credentials: "[default]\nsso_start_url = x\n", says: "sso_start_url"},
		"process":                 {credentials: "[default]\ncredential_process = mine\n", isUnmanaged: true, says: "a process that gives them"},
		"role for everybody":      {credentials: "[DEFAULT]\nrole_arn = x\n", says: "[DEFAULT]"},
		"indented line":           {credentials: "[default]\n  region = x\n", says: "indented"},
		"header with blanks":      {credentials: "[ default ]\nregion = x\n", says: "header"},
		"section twice":           {credentials: "[default]\n[a]\n[default]\n", says: "twice"},
		"copy that was edited":    {credentials: "[default]\nsection = dev\naws_access_key_id = ASIAEXAMPLE000000001\nchaim_scope = dead\n", says: "[default] "},
	} {
		t.Run(name, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			opts := defaultFor(t, srv)
			write(t, credentialsFile(opts), tt.credentials)
			t.Setenv("AWS_CONFIG_FILE", filepath.Join(opts.Dir, "config"))
			write(t, filepath.Join(opts.Dir, "config"), tt.config)
			before := folder(t, opts.Dir)
			err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
			require.ErrorContains(t, err, tt.says)
			assert.Equal(t, 1, strings.Count(strings.ReplaceAll(err.Error(), "by chaim: ", ""), "chaim: "), "%v", err)
			assert.Equal(t, name != "section twice", errors.Is(err, chaim.ErrInUse), "%v", err)
			if tt.isUnmanaged {
				assert.ErrorIs(t, err, chaim.ErrUnmanagedAccount)
			}
			assert.Empty(t, srv.Requests())
			assert.Equal(t, before, folder(t, opts.Dir))
		})
	}
}

// TestDefaultIsOfAKeptProfile: a scope cannot use [default]. The error comes before any request and edit.
func TestDefaultIsOfAKeptProfile(t *testing.T) {
	for name, form := range map[string]chaim.ProfileForm{"keys": chaim.Keys, "process": chaim.Process} {
		opts := optionsFor(t, chaimtest.NewServer(t))
		opts.Default, opts.Form = true, form
		_, err := chaim.New(opts)
		assert.EqualError(t, err, "chaim: Options.Default is for a profile that is kept, and goes with Options.Keep", name)
	}
}

// TestDefaultBesideItsGateway: [default] has the settings of the gateway and gets the keys too.
func TestDefaultBesideItsGateway(t *testing.T) {
	noSDKConfig(t)
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} { // they would win
		require.NoError(t, os.Unsetenv(name))
	}
	srv := chaimtest.NewServer(t)
	opts := defaultFor(t, srv)
	s := opts.Settings
	opts.Settings = nil
	before := fmt.Sprintf("[default]\nendpoint = %s\nusername = %s\nusertoken = %s\nregion = eu-west-2\n", s.Endpoint, s.Username, s.UserToken)
	write(t, credentialsFile(opts), before)
	err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
		other := opts
		other.Default, other.Keep, other.TempName = false, false, ""
		creds, err := c.RequestKeys(ctx)
		require.NoError(t, err)
		assert.Equal(t, "eu-west-2", creds.Region)
		require.NoError(t, chaim.WithContext(ctx, other, func(ctx context.Context, c *chaim.Client) error {
			assert.Equal(t, "eu-west-2", c.Creds().Region)
			url, err := c.Endpoint(ctx)
			assert.Equal(t, s.Endpoint, url)
			return err
		}))
		held, err := c.MyAccountList(ctx)
		require.NoError(t, err)
		require.Len(t, held, 1)
		assert.True(t, held[0].Default)
		return c.DeleteAccount(ctx, "dev")
	})
	require.NoError(t, err)
	for _, r := range srv.Requests() {
		assert.Equal(t, s.Username, r.User)
	}
	assert.Equal(t, before, read(t, credentialsFile(opts)))
}

// keepDefault keeps an account under a name as the default account, and returns the client.
func keepDefault(t *testing.T, opts chaim.Options, account, name string) *chaim.Client {
	t.Helper()
	opts.Account, opts.TempName, opts.Keep = account, name, true
	c, err := chaim.New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	_, err = c.RequestKeys(t.Context())
	require.NoError(t, err)
	return c
}

func TestKeptDefault(t *testing.T) {
	noSDKConfig(t)
	opts := defaultFor(t, chaimtest.NewServer(t))
	write(t, credentialsFile(opts), gatewayLines)
	first := keepDefault(t, opts, "sredev", "dev")
	require.NoError(t, first.Close())
	kept := read(t, credentialsFile(opts))
	inDefault, inProfile := copies(t, []byte(kept), "dev")
	assert.Equal(t, inProfile, inDefault)
	assert.Empty(t, inDefault[inifile.ScopeKey])
	got, err := sdkKeys(t, opts)
	require.NoError(t, err)
	assert.Equal(t, inProfile["aws_access_key_id"], got.AccessKeyID)

	plain := opts
	plain.Account, plain.Default, plain.Keep, plain.TempName = "", false, false, ""
	looker, err := chaim.New(plain)
	require.NoError(t, err)
	defer looker.Close()
	assertDefault := func(want string) {
		t.Helper()
		name, err := looker.DefaultAccount(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, name)
		inDefault, inProfile := copies(t, []byte(read(t, credentialsFile(opts))), want)
		assert.Equal(t, inProfile, inDefault)
	}
	assertDefault("dev")
	_, err = looker.RenewSection(t.Context(), "dev")
	require.NoError(t, err)
	assertDefault("dev")
	kept = read(t, credentialsFile(opts))

	scope := plain
	scope.Account = "sredev"
	require.NoError(t, chaim.WithContext(t.Context(), scope, func(context.Context, *chaim.Client) error {
		assertDefault("dev")
		return nil
	}))
	assert.Equal(t, kept, read(t, credentialsFile(opts)))

	second := keepDefault(t, opts, "Connected Homes", "homes")
	assertDefault("homes")
	require.NoError(t, looker.DeleteAccount(t.Context(), "dev"))
	assertDefault("homes")
	require.NoError(t, looker.ParkAccount(t.Context(), "homes"))
	assert.Equal(t, gatewayLines, read(t, credentialsFile(opts)))
	_, err = looker.UnparkAccount(t.Context(), "homes")
	require.NoError(t, err)
	require.NoError(t, second.Close())

	third := keepDefault(t, opts, "sredev", "dev")
	assertDefault("dev")
	require.NoError(t, third.DeleteAccount(t.Context(), "dev"), "its own")
	require.NoError(t, looker.DeleteAccount(t.Context(), "homes"))
	assert.Equal(t, gatewayLines, read(t, credentialsFile(opts)))
}

// TestLastKeptDefaultWins: two clients renew the default accounts that they keep.
func TestLastKeptDefaultWins(t *testing.T) {
	opts := defaultFor(t, chaimtest.NewServer(t))
	first := keepDefault(t, opts, "sredev", "dev")
	second := keepDefault(t, opts, "Connected Homes", "homes")
	for _, c := range []*chaim.Client{first, second, first} {
		_, err := c.RequestKeys(t.Context())
		require.NoError(t, err)
		name, err := c.DefaultAccount(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "homes", name)
		inDefault, inProfile := copies(t, []byte(read(t, credentialsFile(opts))), "homes")
		assert.Equal(t, inProfile, inDefault)
	}
	require.NoError(t, first.DeleteAccount(t.Context(), "homes"))
	_, err := first.RequestKeys(t.Context())
	require.NoError(t, err)
	_, err = first.DefaultAccount(t.Context())
	assert.ErrorIs(t, err, chaim.ErrNotConfigured)
}

// TestLentDefaultDoesNotSign gets keys without a gateway. The keys that sign come after those of [default] in the SDK's chain.
func TestLentDefaultDoesNotSign(t *testing.T) {
	noSDKConfig(t)
	srv := chaimtest.NewServer(t)
	keys := srv.AddKeys("sredev", "chris")
	container := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"AccessKeyId":%q,"SecretAccessKey":%q,"Token":"","Expiration":%q}`,
			keys.AccessKeyID, keys.SecretAccessKey, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	defer container.Close()
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.URL)
	plain := chaim.Options{
		Account: "222222222222", Role: "mpu", Duration: 2 * time.Hour, // role chaining allows less
		HTTPClient: srv.HTTPClient(), Dir: filepath.Dir(os.Getenv("AWS_SHARED_CREDENTIALS_FILE")),
	}
	const before = "[default]\nregion = eu-west-1\n"
	write(t, credentialsFile(plain), before)
	lend := func(opts chaim.Options) {
		err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
			got, err := sdkKeys(t, opts)
			require.NoError(t, err)
			assert.Equal(t, c.Creds().AccessKeyID, got.AccessKeyID, "so an SDK would sign with them")
			_, err = c.RequestKeys(ctx)
			require.NoError(t, err)
			kept := plain
			kept.Keep, kept.TempName = true, "kept"
			require.NoError(t, chaim.WithContext(ctx, kept, func(context.Context, *chaim.Client) error { return nil }), "made meanwhile")
			if opts.Source == nil {
				_, err = c.RenewSection(ctx, "kept")
				require.NoError(t, err)
			}
			return c.DeleteAccount(ctx, "kept")
		})
		require.NoError(t, err)
	}
	own := plain
	own.Default, own.Keep, own.TempName = true, true, "dev"
	lend(own)
	given := own
	given.Source = &chaim.STS{RoleARN: "arn:aws:iam::222222222222:role/CrossAccountPowerUser", Duration: plain.Duration, HTTPClient: plain.HTTPClient}
	lend(given)
	lend(own)

	assert.Len(t, srv.Requests(), 4+3+4)
	for _, r := range srv.Requests() {
		assert.Equal(t, []any{"chris", plain.Duration, 200}, []any{r.User, r.Duration, r.StatusCode})
	}
}

// someLines are the lines that FuzzKeptDefault combines.
var someLines = []string{
	"[default]\n", "[default]", "[default] # c\r\n", "[a]\n", "[b]\r\n", "# c\n", "\n", "\r\n", "  # c\n", "api = x\n", "api = x", "api = x\r\n", "region = r\n",
	"section = old\n", "Section=old", "alias : old\r\n", "aws_access_key_id=ASIAOLD\n", "aws_session_token = T\n", "expires = 1\n", "s3 =\n", "  section = n\n",
	"credential_process = mine\n", "junk\n", "accountname = x\n", "chaim_was_section = z\n", "role_arn = x\n", "\ufeff",
}

// FuzzKeptDefault keeps a default account, renews and deletes it. No line of the user is lost, and no key stays. After an
// error the file is unchanged.
func FuzzKeptDefault(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		lines := make([]byte, 1+random.IntN(7))
		for i := range lines {
			lines[i] = byte(random.IntN(len(someLines)))
		}
		if random.IntN(2) == 0 {
			lines[0] = byte(random.IntN(3)) // otherwise most files would have no [default]
		}
		f.Add(lines, byte(random.IntN(1<<8)))
	}
	f.Add([]byte("\x02\xef"), byte('l')) // an accountname in [default]
	f.Fuzz(func(t *testing.T, lines []byte, how byte) {
		if len(lines) > 12 {
			return
		}
		var before string
		for _, i := range lines {
			before += someLines[int(i)%len(someLines)]
		}
		calls := 0
		opts := chaim.Options{
			Account: "sredev", Default: true, Keep: true, TempName: "dev", Terrible: how&1 != 0, Dir: t.TempDir(),
			Source: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				calls++
				return aws.Credentials{
					AccessKeyID: fmt.Sprintf("ASIANEW%d", calls), SecretAccessKey: "s", SessionToken: "t",
					CanExpire: true, Expires: time.Now().Add(time.Hour),
				}, nil
			}),
		}
		write(t, credentialsFile(opts), before)
		parsed := inifile.Parse([]byte(before))
		err := parsed.Delete(inifile.DefaultSection)
		if err == nil { // an accountname there is the Python module's, and goes with the keys
			err = parsed.SetKeys(inifile.DefaultSection, nil, func(key string) bool { return key == inifile.MarkerKey })
		}
		rest := parsed.Bytes()
		if err != nil {
			rest = []byte(before)
		}
		c, err := chaim.New(opts)
		require.NoError(t, err)
		defer c.Close()
		requireWhole := func(text string) {
			for line := range strings.Lines(string(rest)) {
				require.Contains(t, text, strings.TrimRight(line, "\r\n"))
			}
		}
		for range 1 + how>>2%3 {
			if _, err := c.RequestKeys(t.Context()); err != nil {
				require.Equal(t, 0, calls, "%q: %v", before, err)
				require.Equal(t, before, read(t, credentialsFile(opts)))
				return
			}
			during := read(t, credentialsFile(opts))
			inDefault, inProfile := copies(t, []byte(during), "dev")
			require.Equal(t, inProfile, inDefault)
			requireWhole(during)
		}
		require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
		after := read(t, credentialsFile(opts))
		requireWhole(after)
		require.NotContains(t, after, "ASIANEW")
	})
}

// The tests below are about the client's own profile, lent or kept.

// ownChange removes the own profile of a client.
type ownChange struct {
	do    func(c *chaim.Client, ctx context.Context, profile string) error
	parks bool
}

// ofOwn runs a test for each change of a client's own profile "dev", and for each kind of profile.
func ofOwn(t *testing.T, f func(t *testing.T, opts chaim.Options, c *chaim.Client, change ownChange)) {
	t.Helper()
	for name, change := range map[string]ownChange{
		"delete": {(*chaim.Client).DeleteAccount, false},
		"park":   {(*chaim.Client).ParkAccount, true},
	} {
		for kind, isKept := range map[string]bool{"lent": false, "kept": true} {
			t.Run(name+" "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					opts := optionsFor(t, chaimtest.NewServer(t))
					opts.TempName, opts.Keep = "dev", isKept
					c := clientFor(t, opts)
					_, err := c.RequestKeys(t.Context())
					require.NoError(t, err)
					f(t, opts, c, change)
				})
			})
		}
	}
}

// holdLock takes the lock of the credentials file, as another program would.
func holdLock(t *testing.T, opts chaim.Options) *sharedfile.Side {
	t.Helper()
	lock, err := sharedfile.LockSide(credentialsFile(opts)+".lock", os.O_RDONLY, false)
	require.NoError(t, err)
	require.NotNil(t, lock)
	return lock
}

// assertOpen checks that a client has its profile, and can renew it.
func assertOpen(t *testing.T, opts chaim.Options, c *chaim.Client) {
	t.Helper()
	assert.Contains(t, read(t, credentialsFile(opts)), "aws_access_key_id = "+c.Creds().AccessKeyID+"\n")
	creds, err := c.RequestKeys(t.Context())
	require.NoError(t, err)
	assert.Contains(t, read(t, credentialsFile(opts)), "aws_access_key_id = "+creds.AccessKeyID+"\n")
}

func assertClosed(t *testing.T, opts chaim.Options, c *chaim.Client) {
	t.Helper()
	_, err := c.Retrieve(t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed)
	assert.ErrorIs(t, c.DeleteAccount(t.Context(), "dev"), chaim.ErrClosed)
	assert.NotContains(t, read(t, credentialsFile(opts)), "[dev]")
	assert.Empty(t, scopeFiles(t, credentialsFile(opts)))
}

func TestOwnProfileOfALockedFile(t *testing.T) {
	ofOwn(t, func(t *testing.T, opts chaim.Options, c *chaim.Client, change ownChange) {
		lock := holdLock(t, opts)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		start := time.Now()
		assert.ErrorIs(t, change.do(c, ctx, "dev"), context.DeadlineExceeded)
		assert.Equal(t, 500*time.Millisecond, time.Since(start))
		start = time.Now()
		assert.ErrorIs(t, change.do(c, t.Context(), "dev"), chaim.ErrLocked)
		assert.Equal(t, 10*time.Second, time.Since(start))
		require.NoError(t, lock.Close())
		assertOpen(t, opts, c)
		require.NoError(t, change.do(c, t.Context(), "dev"))
		assertClosed(t, opts, c)
	})
}

// TestOwnProfileDuringARenewal: keys come while the change waits for the lock. They are written only if the change fails.
func TestOwnProfileDuringARenewal(t *testing.T) {
	ofOwn(t, func(t *testing.T, opts chaim.Options, c *chaim.Client, change ownChange) {
		before := c.Creds()
		lock := holdLock(t, opts)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		both := func(ctx context.Context) (changed, renewed chan error) {
			changed, renewed = make(chan error, 1), make(chan error, 1)
			go func() { changed <- change.do(c, ctx, "dev") }()
			synctest.Wait()
			go func() {
				_, err := c.RequestKeys(t.Context())
				renewed <- err
			}()
			return changed, renewed
		}
		changed, renewed := both(ctx)
		assert.ErrorIs(t, <-changed, context.DeadlineExceeded)
		require.NoError(t, lock.Close())
		require.NoError(t, <-renewed)
		assert.NotEqual(t, before, c.Creds())
		assertOpen(t, opts, c)

		lock = holdLock(t, opts)
		changed, renewed = both(t.Context())
		<-time.After(time.Second)
		require.NoError(t, lock.Close())
		require.NoError(t, <-changed)
		assert.ErrorIs(t, <-renewed, chaim.ErrClosed)
		<-time.After(time.Hour)
		assertClosed(t, opts, c)
	})
}

// TestOwnProfileThatChangesMeanwhile: the user writes another profile of the name while the change waits for the lock.
func TestOwnProfileThatChangesMeanwhile(t *testing.T) {
	ofOwn(t, func(t *testing.T, opts chaim.Options, c *chaim.Client, change ownChange) {
		lock := holdLock(t, opts)
		changed := make(chan error, 1)
		go func() { changed <- change.do(c, t.Context(), "dev") }()
		synctest.Wait()
		const users = "[dev]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = CANARY\naccountname = other\n"
		write(t, credentialsFile(opts), users)
		require.NoError(t, lock.Close())
		assert.ErrorIs(t, <-changed, chaim.ErrUnmanagedAccount)
		assert.Equal(t, [2]string{users, ""}, bothFiles(t, opts))
		assert.NotZero(t, c.Creds(), "it is open")
	})
}

// TestParkOwnProfileUnderATakenName: another account is parked under the name.
func TestParkOwnProfileUnderATakenName(t *testing.T) {
	ofOwn(t, func(t *testing.T, opts chaim.Options, c *chaim.Client, change ownChange) {
		const other = "[dev]\naccountname = other\naccountid = 222222222222\n"
		write(t, parkedFile(opts), other)
		assert.ErrorIs(t, c.ParkAccount(t.Context(), "dev"), chaim.ErrInUse)
		assertOpen(t, opts, c)
		require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
		assertClosed(t, opts, c)
		assert.Equal(t, other, read(t, parkedFile(opts)))
	})
}

func TestOwnProfileThatIsGone(t *testing.T) {
	ofOwn(t, func(t *testing.T, opts chaim.Options, c *chaim.Client, _ ownChange) {
		const users = "[mine]\nregion = x\n"
		write(t, credentialsFile(opts), users)
		assert.ErrorIs(t, c.ParkAccount(t.Context(), "dev"), fs.ErrNotExist)
		assert.NotZero(t, c.Creds(), "it is open")
		require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
		<-time.After(time.Hour)
		assertClosed(t, opts, c)
		assert.Equal(t, [2]string{users, ""}, bothFiles(t, opts))
	})
}

// TestOwnProfileThatIsParkedToo: the same account is parked under the name, with the same id or name.
func TestOwnProfileThatIsParkedToo(t *testing.T) {
	ofOwn(t, func(t *testing.T, opts chaim.Options, c *chaim.Client, change ownChange) {
		for _, parked := range []string{"[dev]\naccountname = sredev\n", "[dev]\naccountname = 111111111111\n", "[dev]\naccountname = old name\naccountid = 111111111111\n"} {
			write(t, parkedFile(opts), parked)
			require.NoError(t, change.do(c, t.Context(), "dev"))
			assertClosed(t, opts, c)
			lines := strings.Fields(strings.ReplaceAll(read(t, parkedFile(opts)), " = ", "="))
			if change.parks {
				assert.ElementsMatch(t, []string{"[dev]", "duration=1", "role=rro", "accountname=sredev", "accountid=111111111111", "region=eu-west-1"}, lines)
			} else {
				assert.Empty(t, lines)
			}
			c = clientFor(t, opts)
			_, err := c.RequestKeys(t.Context())
			require.NoError(t, err)
		}
	})
}

// TestOwnProfileWithLongLivedKeys: the client has written long-lived keys of its source, so it may remove them.
func TestOwnProfileWithLongLivedKeys(t *testing.T) {
	for name, parked := range map[string]string{"delete": "", "park": "[dev]\nduration = "} {
		opts := chaim.Options{
			Account: "sredev", Dir: t.TempDir(), TempName: "dev",
			Source: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "CANARYsecret", ""),
		}
		c := clientFor(t, opts)
		_, err := c.RequestKeys(t.Context())
		require.NoError(t, err)
		if name == "delete" {
			require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
		} else {
			require.NoError(t, c.ParkAccount(t.Context(), "dev"))
		}
		assertClosed(t, opts, c)
		texts := bothFiles(t, opts)
		assert.Empty(t, texts[0])
		assert.True(t, strings.HasPrefix(texts[1], parked), texts[1])
		assert.NotContains(t, texts[1], "AKIA")
		if name == "park" {
			_, err = clientFor(t, opts).UnparkAccount(t.Context(), "dev")
			require.ErrorContains(t, err, endless)
			assert.Empty(t, read(t, credentialsFile(opts)))
		}
	}
}

// TestDeleteOwnByID: the client names its account by the id, and the broker gives no name.
func TestDeleteOwnByID(t *testing.T) {
	opts := chaim.Options{
		Account: "111111111111", Dir: t.TempDir(), TempName: "dev",
		Source: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "ASIAEXAMPLE000000001", SecretAccessKey: "CANARY", SessionToken: "CANARY", CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
		}),
	}
	write(t, parkedFile(opts), "[dev]\naccountname = sredev\naccountid = 111111111111\n")
	c := clientFor(t, opts)
	_, err := c.RequestKeys(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
	assertClosed(t, opts, c)
	assert.Empty(t, read(t, parkedFile(opts)))
}
