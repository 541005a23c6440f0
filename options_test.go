package chaim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
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
)

// regionWorld makes an environment without a region, and a config file with this text.
func regionWorld(t *testing.T, configFile string) (*chaimtest.Server, chaim.Options) {
	t.Helper()
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	opts.Dir = srv.Setenv(t)
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		t.Setenv(name, "")
		require.NoError(t, os.Unsetenv(name))
	}
	write(t, filepath.Join(opts.Dir, "config"), configFile)
	return srv, opts
}

// TestRegionOrder removes one source of a region after the other, from the first to the last, for each kind of broker.
func TestRegionOrder(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, srv *chaimtest.Server, opts *chaim.Options){
		"gateway": func(_ *testing.T, _ *chaimtest.Server, opts *chaim.Options) {
			settings := *opts.Settings
			settings.Region = "ca-west-1"
			opts.Settings = &settings
		},
		"STS": func(t *testing.T, srv *chaimtest.Server, opts *chaim.Options) {
			keys := srv.AddKeys("111111111111", "me")
			t.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
			t.Setenv("AWS_SECRET_ACCESS_KEY", keys.SecretAccessKey)
			for _, name := range []string{"CHAIM_URL", "CHAIM_USER", "CHAIM_TOKEN"} {
				t.Setenv(name, "")
			}
			opts.Settings, opts.Account, opts.Role = nil, "111111111111", "arn:aws:iam::111111111111:role/CrossAccountReadOnly"
		},
		"Source": func(_ *testing.T, _ *chaimtest.Server, opts *chaim.Options) {
			opts.Source = chaim.AwsCreds{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "s", SessionToken: "t", Region: "ca-west-1"}
		},
	} {
		for _, noProfile := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				srv, opts := regionWorld(t, "")
				change(t, srv, &opts)
				if opts.NoProfile = noProfile; !noProfile {
					opts.TempName = "dev"
				}
				regions := []string{"us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-north-1", "ca-west-1"}
				if name == "STS" {
					regions[5] = "eu-west-1"
				}
				opts.Region = regions[0]
				t.Setenv("AWS_REGION", regions[1])
				t.Setenv("AWS_DEFAULT_REGION", regions[2])
				ofProfile := map[bool]string{false: "[profile dev]\nregion = " + regions[3] + "\n", true: "[profile tempname]\nregion = eu-west-2\n"}[noProfile]
				ofDefault := "[default]\nregion = " + regions[4] + "\n"
				write(t, filepath.Join(opts.Dir, "config"), ofProfile+ofDefault)

				check := func(want string) {
					t.Helper()
					err := chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
						assert.Equal(t, want, c.Region())
						assert.Equal(t, want, c.Creds().Region)
						assert.Contains(t, c.Environ(), "AWS_REGION="+want)
						assert.Contains(t, c.Environ(), "AWS_DEFAULT_REGION="+want)
						if !noProfile {
							assert.Contains(t, read(t, credentialsFile(opts)), "\nregion = "+want+"\n")
						}
						return nil
					})
					require.NoError(t, err)
				}
				check(regions[0])
				opts.Region = ""
				check(regions[1])
				require.NoError(t, os.Unsetenv("AWS_REGION"))
				check(regions[2])
				require.NoError(t, os.Unsetenv("AWS_DEFAULT_REGION"))
				if !noProfile {
					check(regions[3])
				}
				write(t, filepath.Join(opts.Dir, "config"), ofDefault)
				check(regions[4])
				write(t, filepath.Join(opts.Dir, "config"), "")
				check(regions[5])
			})
		}
	}
}

func TestRegionOfTheProfileInUse(t *testing.T) {
	_, opts := regionWorld(t, "[profile work]\nregion = us-west-1\n[default]\nregion = us-east-2\n")
	t.Setenv("AWS_PROFILE", "work")
	assert.Equal(t, "us-west-1", clientFor(t, opts).Region())
	write(t, credentialsFile(opts), "[work]\nregion = us-west-2\n")
	assert.Equal(t, "us-west-2", clientFor(t, opts).Region(), "as for SDKs")
}

// TestRegionOfTheAccountsProfile: the client's profile has another name than the account, or there is none.
func TestRegionOfTheAccountsProfile(t *testing.T) {
	const ofAccount, ofDefault = "[profile sredev]\nregion = us-west-1\n", "[default]\nregion = us-east-2\n"
	_, opts := regionWorld(t, ofAccount+ofDefault)
	assert.Equal(t, "us-west-1", clientFor(t, opts).Region())
	opts.TempName = "dev"
	assert.Equal(t, "us-west-1", clientFor(t, opts).Region())
	write(t, filepath.Join(opts.Dir, "config"), ofAccount+ofDefault+"[profile dev]\nregion = us-west-2\n")
	assert.Equal(t, "us-west-2", clientFor(t, opts).Region(), "the profile that is lent comes first")
	opts.TempName, opts.NoProfile = "", true
	assert.Equal(t, "us-west-1", clientFor(t, opts).Region())
	t.Setenv("AWS_PROFILE", "dev")
	assert.Equal(t, "us-west-1", clientFor(t, opts).Region())
}

// TestWrongRegionThatIsNotNeeded: the region in the settings of a gateway with a URL is wrong, but Options has one.
func TestWrongRegionThatIsNotNeeded(t *testing.T) {
	srv, opts := regionWorld(t, "")
	opts.Settings = nil
	for name, value := range map[string]string{"CHAIM_URL": srv.URL(), "CHAIM_USER": "u", "CHAIM_TOKEN": "t", "CHAIM_REGION": "eu-wst-1"} {
		t.Setenv(name, value)
	}
	_, err := chaim.New(opts)
	assert.ErrorContains(t, err, "the CHAIM_ variables of the environment: region \"eu-wst-1\"")
	opts.Region = "us-east-1"
	assert.Equal(t, "us-east-1", clientFor(t, opts).Region())
	opts.Region = ""
	t.Setenv("AWS_REGION", "us-east-2")
	assert.Equal(t, "us-east-2", clientFor(t, opts).Region())
	t.Setenv("CHAIM_URL", "")
	t.Setenv("CHAIM_API", "abc123")
	t.Setenv("CHAIM_STAGE", "prod")
	_, err = chaim.New(opts)
	assert.ErrorContains(t, err, "did you mean eu-west-1?", "the URL is made of it")
}

// TestWrongRegionIsOneErrorOfEach: a wrong region is one error, not one for each account.
func TestWrongRegionIsOneErrorOfEach(t *testing.T) {
	srv, opts := regionWorld(t, "")
	opts.Account, opts.TempName = "", ""
	refused := func(opts chaim.Options) {
		t.Helper()
		err := chaim.Each(t.Context(), []chaim.Account{{Name: "sredev"}}, chaim.EachOptions{Options: opts},
			func(context.Context, chaim.Account, *chaim.Client) error { return nil })
		assert.ErrorContains(t, err, "did you mean")
		assert.NotErrorAs(t, err, new(*chaim.EachError))
	}
	ofSettings := opts
	ofSettings.Settings = &chaim.Settings{Endpoint: srv.URL(), Username: "u", UserToken: "t", Region: "eu-wst-1"}
	refused(ofSettings)
	t.Setenv("AWS_REGION", "us-west-2a")
	refused(opts)
	assert.Empty(t, srv.Requests())
}

func TestBuiltInRegion(t *testing.T) {
	_, opts := regionWorld(t, "")
	settings := *opts.Settings
	settings.Region = ""
	opts.Settings = &settings
	assert.Equal(t, "eu-west-1", clientFor(t, opts).Region())
	opts.Source = &chaim.STS{RoleARN: "arn:aws-cn:iam::111111111111:role/R"}
	assert.Equal(t, "cn-north-1", clientFor(t, opts).Region())
}

// TestRegionIsChecked refuses a name that cannot be a region before it touches network or file.
func TestRegionIsChecked(t *testing.T) {
	srv, opts := regionWorld(t, "")
	for region, want := range map[string]string{"us-east-1a": "did you mean us-east-1?", "eu-wst-1": "did you mean eu-west-1?"} {
		refused := func(opts chaim.Options, wants ...string) {
			t.Helper()
			_, err := chaim.New(opts)
			for _, want := range append(wants, want) {
				assert.ErrorContains(t, err, want)
			}
		}
		given := opts
		given.Region = region
		refused(given)
		given.Region, given.Settings = "", &chaim.Settings{Endpoint: srv.URL(), Username: "u", UserToken: "t", Region: region}
		refused(given, "Options.Settings")
		_, err := (&chaim.STS{RoleARN: "arn:aws:iam::111111111111:role/R", Region: region}).Retrieve(t.Context())
		assert.ErrorContains(t, err, want)
		write(t, filepath.Join(opts.Dir, "config"), "[default]\nregion = "+region+"\n")
		refused(opts, "AWS files", "default")
		t.Setenv("AWS_REGION", region)
		refused(opts, "AWS_REGION")
		list := opts
		list.Account = ""
		_, err = clientFor(t, list).MyAccountList(t.Context())
		assert.NoError(t, err, "no region is needed for that")
		require.NoError(t, os.Unsetenv("AWS_REGION"))
		require.NoError(t, os.Remove(filepath.Join(opts.Dir, "config")))
	}
	assert.Empty(t, srv.Requests())
	assert.NoFileExists(t, credentialsFile(opts))
}

// TestKeptProfileLeavesTheRegionToTheConfigFile keeps, renews, parks and unparks a profile that the config file has too.
func TestKeptProfileLeavesTheRegionToTheConfigFile(t *testing.T) {
	_, opts := regionWorld(t, "[profile work]\nregion = us-west-2\n")
	region := func(want string) {
		t.Helper()
		assert.NotContains(t, read(t, credentialsFile(opts)), "region")
		cfg, err := config.LoadDefaultConfig(t.Context(), config.WithSharedConfigProfile("work"))
		require.NoError(t, err)
		assert.Equal(t, want, cfg.Region)
		profiles, err := clientFor(t, opts).MyAccountList(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, profiles[0].Region)
	}
	c := keeper(t, opts, "sredev", "work")
	assert.Equal(t, "us-west-2", c.Region())
	region("us-west-2")
	write(t, filepath.Join(opts.Dir, "config"), "[profile work]\nregion = us-east-2\n")
	region("us-east-2")
	creds, err := clientFor(t, opts).RenewSection(t.Context(), "work")
	require.NoError(t, err)
	assert.Equal(t, "us-east-2", creds.Region)
	region("us-east-2")
	require.NoError(t, clientFor(t, opts).ParkAccount(t.Context(), "work"))
	_, err = clientFor(t, opts).UnparkAccount(t.Context(), "work")
	require.NoError(t, err)
	region("us-east-2")

	opts.Region = "eu-north-1"
	keeper(t, opts, "sredev", "work")
	assert.Contains(t, read(t, credentialsFile(opts)), "\nregion = eu-north-1\n", "which was asked for")
}

// originalGateway returns a gateway that behaves as the original, and options for it.
func originalGateway(t *testing.T) (*chaimtest.Server, chaim.Options) {
	srv := chaimtest.NewServer(t)
	srv.SetOriginal(chaimtest.Original{})
	opts := optionsFor(t, srv)
	opts.Role, opts.Duration = "mpu", 4*time.Hour
	return srv, opts
}

// asked returns the texts of the requests since the last call.
func asked(srv *chaimtest.Server) (texts []string) {
	for _, r := range srv.Requests() {
		text := r.Action
		if text == "Keys" {
			text = fmt.Sprintf("%s,%s,%s", r.Account, r.Role, r.Duration)
		}
		texts = append(texts, text)
	}
	srv.Reset()
	return texts
}

// pairsIn returns the keys of a profile that chaim manages, with their values.
func pairsIn(t *testing.T, opts chaim.Options, profile string) map[string]string {
	t.Helper()
	pairs, _, err := inifile.Parse([]byte(read(t, credentialsFile(opts)))).Managed(profile)
	require.NoError(t, err)
	return pairs
}

// TestNamesThatGatewaysMisread: for these account names the original gateway gives keys of another role or account, or none.
func TestNamesThatGatewaysMisread(t *testing.T) {
	for i, name := range []string{
		"Connected Homes", "O'Brien", `say "x"`, `back\slash`, "Smith, Jones", "a,apu,12", " padded ", "'quoted'", "Zo\u00eb",
		"list", "help", "version", "initshow", "roles", "count", "whoskey ASIA", "--list", "-h", "12345", "1e3", "1_000", "nan", "Infinity",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, opts := originalGateway(t)
				id := fmt.Sprint(400000000000 + i)
				srv.RemoveAccount(name)
				srv.AddAccount(id, name)
				opts.Account, opts.Keep, opts.TempName = name, true, "dev"
				c := clientFor(t, opts)
				check := func(creds chaim.AwsCreds, err error) {
					t.Helper()
					require.NoError(t, err)
					assert.Contains(t, ownerOf(t, srv, creds), "::"+id+":assumed-role/CrossAccountPowerUser/")
					assert.InDelta(t, 4*time.Hour, time.Until(creds.Expires), float64(time.Minute))
				}
				check(c.RequestKeys(t.Context()))
				text := id + ",mpu,4h0m0s"
				assert.Equal(t, []string{"List", text}, asked(srv)[:2])
				pairs := pairsIn(t, opts, "dev")
				assert.Contains(t, []string{name, id}, pairs[inifile.MarkerKey])
				assert.Equal(t, []string{id, "mpu", "4"}, []string{pairs[inifile.IDKey], pairs["role"], pairs["duration"]})

				check(c.RequestKeys(t.Context()))
				assert.Equal(t, text, asked(srv)[0], "the id is known by now")
				other := clientFor(t, opts)
				check(other.RenewSection(t.Context(), "dev"))
				assert.Equal(t, text, asked(srv)[0])
				require.NoError(t, other.ParkAccount(t.Context(), "dev"))
				check(other.UnparkAccount(t.Context(), "dev"))
				assert.Equal(t, text, asked(srv)[0])
			})
		})
	}
}

func TestNamesThatAreAskedFor(t *testing.T) {
	srv, opts := originalGateway(t)
	for i, name := range []string{"sredev", "SREdev", "a.b_c-d", "team/prod", "List", "counts", "a1e3", "x=1", "infra", "#hash"} {
		if i > 1 {
			srv.AddAccount(fmt.Sprint(400000000000+i), name)
		}
		opts.Account, opts.NoProfile = name, true
		c := clientFor(t, opts)
		_, err := c.RequestKeys(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []string{name + ",mpu,4h0m0s"}, asked(srv), "at no more cost")
		creds, err := c.RequestKeys(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []string{creds.AccountID + ",mpu,4h0m0s"}, asked(srv), "whatever gets the name meanwhile")
	}
}

func TestNameOfNoAccountOrOfTwo(t *testing.T) {
	srv, opts := originalGateway(t)
	ask := func(name string) error {
		opts.Account = name
		_, err := clientFor(t, opts).RequestKeys(t.Context())
		assert.Equal(t, []string{"List"}, asked(srv), name)
		assert.NoFileExists(t, credentialsFile(opts))
		return err
	}
	for _, name := range []string{"Connected Home", "connected homes", "Connected  Homes", "count"} {
		err := ask(name)
		var refusal *chaim.GatewayError
		require.ErrorAs(t, err, &refusal)
		assert.Equal(t, "DataNotFound", refusal.Kind)
		assert.Contains(t, refusal.Message, "Account not found: ")
		assert.NotErrorIs(t, err, chaim.ErrDenied)
	}
	srv.AddAccount("444444444444", "Connected Homes")
	err := ask("Connected Homes")
	assert.ErrorContains(t, err, `2 accounts have the name "Connected Homes": 222222222222, 444444444444; ask by the id`)

	srv.Inject(1, chaimtest.Reply(`{'accountlist': [('0', 'no id')]}`))
	assert.ErrorContains(t, ask("no id"), "no 12-digit id")
	srv.Inject(1, chaimtest.Refuse("IncorrectCredentials: Invalid token"))
	assert.ErrorIs(t, ask("Connected Homes"), chaim.ErrDenied)
}

// TestKeysOfWhatWasNotAskedFor: replies have keys of another account or role.
func TestKeysOfWhatWasNotAskedFor(t *testing.T) {
	const arn = "arn:aws:iam::111111111111:role/"
	for _, tt := range []struct{ account, role, reply, want string }{
		{"sredev", "mpu", "'role': 'CrossAccountPowerUser'", ""},
		{"sredev", "mpu", "'role': 'mpu'", ""},
		{"sredev", "mpu", "'role': '" + arn + "CrossAccountPowerUser'", ""},
		{"sredev", "mpu", "'role': '" + arn + "path/to/CrossAccountPowerUser'", ""},
		{"sredev", "mpu", "'role': 'arn:aws:sts::111111111111:assumed-role/CrossAccountPowerUser/me'", ""},
		{"sredev", "mpu", "'role': 'CrossAccountPowerUser\\n'", ""},
		{"sredev", "MPU", "'role': b'CrossAccountPowerUser'", ""},
		{"sredev", "CrossAccountPowerUser", "'role': 'mpu'", ""},
		{"sredev", "rro", "'role': 'apu'", "reply has keys of role"},
		{"sredev", "mpu", "'role': 'rro'", "reply has keys of role"},
		{"sredev", "spu", "'role': 'apu '", "reply has keys of role"},
		{"sredev", "rro", "'role': b'CrossAccountAdminUser'", "reply has keys of role"},
		{"sredev", "rro", "'role': 'CrossAccountAdminUser\\n'", "reply has keys of role"},
		{"sredev", "MPU", "'role': '" + arn + "CrossAccountReadOnly'", "reply has keys of role"},
		{"sredev", "rro", "'role': 7", "role of the reply is no text"},
		{"sredev", "rro", "'role': ['CrossAccountReadOnly']", "role of the reply is no text"},
		{"sredev", "mpu", "'role': 'arn:aws-cn:iam::111111111111:role/CrossAccountPowerUser'", "is of partition aws-cn, but region eu-west-1"},
		{"sredev", "mpu", "'accountid': None, 'role': 'arn:aws:iam::999999999999:role/CrossAccountPowerUser', 'sectionname': 'x'", "reply has keys for account"},
		{"111111111111", "mpu", "'accountid': None, 'role': 'arn:aws:iam::999999999999:role/CrossAccountPowerUser'", "another account, 999999999999"},
		{"sredev", "mpu", "'role': '" + arn + "TeamPowerUser'", ""}, // this gateway's meaning of the alias
		{"sredev", "mpu", "'role': None", ""},
		{"sredev", "CrossAccountPowerUser", "'role': 'crossaccountpoweruser'", ""},
		{"sredev", "path/Own", "'role': '" + arn + "path/Own'", ""},
		{"sredev", "dba", "'role': '" + arn + "CrossAccountReadOnly'", ""},
		{"sredev", "mpu", "'role': '" + arn + "CrossAccountReadOnly'", `reply has keys of role "` + arn + `CrossAccountReadOnly", not of "mpu"`},
		{"sredev", "mpu", "'role': 'CrossAccountReadOnly'", "reply has keys of role"},
		{"sredev", "mpu", "'role': 'arn:aws:sts::111111111111:assumed-role/CrossAccountReadOnly/CrossAccountPowerUser'", "reply has keys of role"},
		{"sredev", "Owner", "'role': '" + arn + "CrossAccountReadOnly'", "reply has keys of role"},
		{"sredev", "CrossAccountPowerUser", "'role': '" + arn + "TeamPowerUser'", "reply has keys of role"},
		{"sredev", "mpu", "'role': 'arn:aws:iam::222222222222:role/CrossAccountPowerUser'", "not one of account 111111111111"},

		{"111111111111", "mpu", "'accountid': 111111111111", ""},
		{"111111111111", "mpu", "'accountid': b'111111111111'", ""},
		{"111111111111", "mpu", "'accountid': ''", ""}, // the list has its name
		{"111111111111", "mpu", "'accountid': 'x'", "accountid of the reply is no account id"},
		{"111111111111", "mpu", "'accountid': 1.5", "accountid of the reply is no account id"},
		{"111111111111", "mpu", "'accountid': True", "accountid of the reply is no account id"},
		{"111111111111", "mpu", "'accountid': 999999999999", "another account, 999999999999"},
		{"sredev", "mpu", "'accountid': 999999999999, 'sectionname': 'other'", "reply has keys for account"},
		{"111111111111", "mpu", "'accountid': None, 'sectionname': 'other'", "reply has keys for account"},
		{"111111111111", "mpu", "'accountid': None, 'sectionname': 'Connected Homes'", "reply has keys for account"},
		{"sredev", "mpu", "'sectionname': 'SREDEV'", ""},
		{"111111111111", "mpu", "'sectionname': 'whatever'", ""},
		{"sredev", "mpu", "'sectionname': 'long name of sredev'", ""}, // the list confirms that
		{"sredev", "mpu", "'accountid': '222222222222', 'sectionname': 'Connected Homes'", `reply has keys for account "Connected Homes" ("222222222222"), not for "sredev"`},
		{"sredev", "mpu", "'accountid': None, 'sectionname': 'Connected Homes'", "reply has keys for account"},
		{"Connected Homes", "mpu", "'accountid': '111111111111', 'sectionname': 'Connected Homes'", "another account"},
		{"unlisted", "mpu", "'sectionname': 'sredev'", "reply has keys for account"},
	} {
		t.Run(tt.account+" "+tt.role+" "+tt.reply, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			opts := optionsFor(t, srv)
			opts.Account, opts.Role = tt.account, tt.role
			fields := map[string]string{}
			for pair := range strings.SplitSeq(tt.reply, ", ") {
				key, value, _ := strings.Cut(pair, ": ")
				fields[strings.Trim(key, "'")] = value
			}
			if role := fields["role"]; role != "" {
				delete(fields, "role")
				fields["new"] = "1, 'role': " + role
			}
			if strings.Contains(tt.account, " ") {
				srv.Inject(1, nil) // for the account list
			}
			srv.Inject(1, chaimtest.Reply(keysText(fields)))
			_, err := clientFor(t, opts).RequestKeys(t.Context())
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "CANARY")
			assert.NoFileExists(t, credentialsFile(opts))
		})
	}
}

// TestRenamedAccount: an account is renewed by its id, even if another account has its name by now.
func TestRenamedAccount(t *testing.T) {
	srv, opts := originalGateway(t)
	keep(t, opts, "dev")
	c := clientFor(t, opts)
	srv.AddAccount("111111111111", "new name")
	creds, err := c.RenewSection(t.Context(), "dev")
	require.NoError(t, err)
	assert.Equal(t, "111111111111", creds.AccountID)
	assert.Equal(t, "sredev", pairsIn(t, opts, "dev")[inifile.MarkerKey])

	srv.AddAccount("444444444444", "sredev")
	creds, err = c.RenewSection(t.Context(), "dev")
	require.NoError(t, err)
	assert.Equal(t, "111111111111", creds.AccountID)

	write(t, credentialsFile(opts), strings.Replace(read(t, credentialsFile(opts)), "accountname = sredev", "accountname = 444444444444", 1))
	_, err = c.RenewSection(t.Context(), "dev")
	assert.ErrorIs(t, err, chaim.ErrInUse)
	assert.ErrorContains(t, err, "444444444444 and 111111111111")
}

// TestKeysThatLastLonger: keys that are valid for longer than requested are refused, from all kinds of brokers.
func TestKeysThatLastLonger(t *testing.T) {
	for lifetime, isRefused := range map[time.Duration]bool{4*time.Hour + 4*time.Minute: false, 4*time.Hour + 6*time.Minute: true, 12 * time.Hour: true} {
		synctest.Test(t, func(t *testing.T) {
			srv, opts := originalGateway(t)
			srv.SetLifetime(lifetime)
			srv.Advance(time.Hour) // the server's clock must make no difference
			check := func(err error) {
				t.Helper()
				if !isRefused {
					assert.NoError(t, err)
					return
				}
				assert.ErrorContains(t, err, ", but 4h0m0s was asked for")
				assert.NoFileExists(t, credentialsFile(opts))
			}
			_, err := clientFor(t, opts).RequestKeys(t.Context())
			check(err)
			text := keysText(map[string]string{"expires": fmt.Sprint(time.Now().Add(lifetime).Unix())})
			_, err = clientFor(t, opts).StoreKeys(t.Context(), []byte(text))
			check(err)
			sts := stsFor(srv)
			sts.Duration = 4 * time.Hour
			_, err = sts.Retrieve(t.Context())
			check(err)
		})
	}
}

// TestShorterLifetimeOfOthers: the log warns of stored keys, or of keys of STS, that end sooner than requested.
func TestShorterLifetimeOfOthers(t *testing.T) {
	srv, opts := originalGateway(t)
	var log bytes.Buffer
	opts.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	_, err := clientFor(t, opts).StoreKeys(t.Context(), []byte(keysText(nil)))
	require.NoError(t, err)
	assert.Regexp(t, `msg="chaim: keys end sooner than was asked for" account=sredev role=mpu asked=4h0m0s given=(1h0m|59m)`, log.String())

	log.Reset()
	srv.SetLifetime(15 * time.Minute)
	sts := stsFor(srv)
	sts.Duration = 2 * time.Hour
	opts.Source = sts
	_, err = clientFor(t, opts).RequestKeys(t.Context())
	require.NoError(t, err)
	assert.Regexp(t, "asked=2h0m0s given=1[45]m", log.String())
}

func TestShorterLifetimeIsTold(t *testing.T) {
	for lifetime, want := range map[time.Duration]int{0: 0, 3*time.Hour + 56*time.Minute: 0, 3 * time.Hour: 1, 15 * time.Minute: 1} {
		synctest.Test(t, func(t *testing.T) {
			srv, opts := originalGateway(t)
			var log bytes.Buffer
			opts.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			srv.SetLifetime(lifetime)
			srv.Advance(time.Hour) // the server's clock must make no difference
			c := clientFor(t, opts)
			for range 3 {
				_, err := c.RequestKeys(t.Context())
				require.NoError(t, err)
			}
			assert.Equal(t, want, strings.Count(log.String(), `msg="chaim: keys end sooner than was asked for" account=sredev role=mpu asked=4h0m0s given=`), log.String())
		})
	}
}

// givesID is a source of keys with an account id.
func givesID(id string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{
			AccessKeyID: "ASIAEXAMPLEEXAMPLE00", SecretAccessKey: "CANARYsecret", SessionToken: "CANARYtoken",
			AccountID: id, CanExpire: true, Expires: time.Now().Add(time.Hour),
		}, nil
	})
}

// withKeyID gives the keys of a source with another access key id.
type withKeyID struct {
	aws.CredentialsProvider
	id string
}

func (w withKeyID) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, err := w.CredentialsProvider.Retrieve(ctx)
	creds.AccessKeyID = w.id
	return creds, err
}

// TestAccountID: the account id accompanies the keys everywhere.
func TestAccountID(t *testing.T) {
	for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
		t.Run(form.String(), func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			home := srv.Setenv(t)
			opts := chaim.Options{Account: "sredev", Form: form}
			err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
				assert.Equal(t, "111111111111", c.Creds().AccountID)
				creds, err := c.Retrieve(ctx)
				assert.NoError(t, err)
				assert.Equal(t, "111111111111", creds.AccountID)

				pairs := pairsOf(t, home, c.Profile())
				assert.Equal(t, form == chaim.Keys, pairs["aws_account_id"] == "111111111111")
				assert.Equal(t, "111111111111", pairs["accountid"])
				cfg, err := config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile(c.Profile()))
				require.NoError(t, err)
				creds, err = cfg.Credentials.Retrieve(ctx)
				assert.NoError(t, err)
				assert.Equal(t, "111111111111", creds.AccountID)
				return nil
			})
			require.NoError(t, err)
		})
	}
}

func pairsOf(t *testing.T, home, profile string) map[string]string {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join(home, "credentials"))
	require.NoError(t, err)
	pairs, _, err := inifile.Parse(doc).All(profile)
	require.NoError(t, err)
	return pairs
}

// TestAccountIDUnknown: no id of another account stays beside keys of an unknown account.
func TestAccountIDUnknown(t *testing.T) {
	srv := chaimtest.NewServer(t)
	home := srv.Setenv(t)
	t.Setenv("AWS_ACCOUNT_ID", "999999999999")
	for _, id := range []string{"", "12345", "111111111111.evil.example", "x\naws_access_key_id = y"} {
		write(t, filepath.Join(home, "credentials"),
			"[dev]\naccountname = dev\naws_account_id = 999999999999\naccountid = 999999999999\n\n"+
				"[default]\nsection = dev\nalias = dev\naws_account_id = 999999999999\noutput = json\n")
		c, err := chaim.New(chaim.Options{Account: "dev", Source: givesID(id), TempName: "dev", Keep: true, Default: true})
		require.NoError(t, err)
		defer c.Close()
		creds, err := c.RequestKeys(t.Context())
		require.NoError(t, err)
		assert.Empty(t, creds.AccountID)
		assert.Contains(t, creds.Environ(), "AWS_ACCOUNT_ID=")
		assert.Contains(t, c.Environ(), "AWS_ACCOUNT_ID=")
		for _, profile := range []string{"dev", "default"} {
			pairs := pairsOf(t, home, profile)
			assert.Equal(t, "ASIAEXAMPLEEXAMPLE00", pairs["aws_access_key_id"], profile)
			assert.NotContains(t, pairs, "aws_account_id", profile)
			assert.NotContains(t, pairs, "accountid", profile)
		}
	}
}

// TestAccountIDInDefault: [default] has the account id of the copied keys for as long as the keys.
func TestAccountIDInDefault(t *testing.T) {
	srv := chaimtest.NewServer(t)
	home := srv.Setenv(t)
	c, err := chaim.New(chaim.Options{Account: "sredev", TempName: "dev", Keep: true, Default: true})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.RequestKeys(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "111111111111", pairsOf(t, home, "default")["aws_account_id"])
	require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
	assert.NotContains(t, pairsOf(t, home, "default"), "aws_account_id")
}

// TestAccountIDInherited: chaim writes no profile to which botocore would add an account id of [DEFAULT].
func TestAccountIDInherited(t *testing.T) {
	srv := chaimtest.NewServer(t)
	home := srv.Setenv(t)
	write(t, filepath.Join(home, "credentials"), "[DEFAULT]\naws_account_id = 999999999999\n")
	lend := func(id string) error {
		opts := chaim.Options{Account: "dev", Source: givesID(id)}
		return chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { return nil })
	}
	assert.ErrorContains(t, lend(""), "section [DEFAULT] at line 1 has aws_account_id")
	assert.NoError(t, lend("111111111111"))
}

// TestAccountIDParked: a parked account keeps the id for its renewal, but not the one that SDKs read.
func TestAccountIDParked(t *testing.T) {
	srv := chaimtest.NewServer(t)
	home := srv.Setenv(t)
	c, err := chaim.New(chaim.Options{Account: "sredev", TempName: "dev", Keep: true})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.RequestKeys(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.ParkAccount(t.Context(), "dev"))
	doc, err := os.ReadFile(filepath.Join(home, "chaim-parked"))
	require.NoError(t, err)
	parked, _, err := inifile.Parse(doc).All("dev")
	require.NoError(t, err)
	assert.Equal(t, "111111111111", parked["accountid"])
	assert.NotContains(t, parked, "aws_account_id")
	c, err = chaim.New(chaim.Options{})
	require.NoError(t, err)
	defer c.Close()
	creds, err := c.UnparkAccount(t.Context(), "dev")
	require.NoError(t, err)
	assert.Equal(t, "111111111111", creds.AccountID)
	assert.Equal(t, "111111111111", pairsOf(t, home, "dev")["aws_account_id"])
}

// TestAccountIDOfOldProfile: two renewals of a profile without an id both succeed, although the first adds the id.
func TestAccountIDOfOldProfile(t *testing.T) {
	srv := chaimtest.NewServer(t)
	home := srv.Setenv(t)
	write(t, filepath.Join(home, "credentials"), "[dev]\naccountname = sredev\nrole = rro\nduration = 1\nregion = eu-west-1\n")
	var asked sync.WaitGroup // both have asked before one writes
	asked.Add(2)
	source := aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		asked.Done()
		asked.Wait()
		return givesID("111111111111").Retrieve(ctx)
	})
	errs := make(chan error)
	for _, id := range []string{"1", "2"} {
		go func() {
			c, err := chaim.New(chaim.Options{Account: "sredev", Source: withKeyID{source, "ASIAEXAMPLEEXAMPLE0" + id}})
			if err == nil {
				_, err = c.RenewSection(context.Background(), "dev")
				_ = c.Close()
			}
			errs <- err
		}()
	}
	for range 2 {
		assert.NoError(t, <-errs)
	}
	assert.Equal(t, "111111111111", pairsOf(t, home, "dev")["accountid"])
}

// TestAccountIDGiven: the client requests keys by the id, no matter which account has the name.
func TestAccountIDGiven(t *testing.T) {
	srv, opts := originalGateway(t)
	srv.AddAccount("444444444444", "sredev")
	opts.Account, opts.AccountID, opts.TempName, opts.Keep = "sredev", "444444444444", "dev", true
	creds, err := clientFor(t, opts).RequestKeys(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "444444444444", creds.AccountID)
	assert.Equal(t, []string{"444444444444,mpu,4h0m0s"}, asked(srv))
	profiles, err := clientFor(t, opts).MyAccountList(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"sredev", "444444444444"}, []string{profiles[0].Account, profiles[0].AccountID})

	opts.Source = givesID("111111111111")
	_, err = clientFor(t, opts).RequestKeys(t.Context())
	assert.ErrorContains(t, err, `the keys that came are for account "111111111111"`)

	for _, ids := range [][2]string{{"sredev", "4444"}, {"", "444444444444"}, {"111111111111", "444444444444"}} {
		_, err := chaim.New(chaim.Options{Account: ids[0], AccountID: ids[1], Source: opts.Source})
		assert.Error(t, err, ids)
	}
}

func TestEachStateIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const outage, wakeCheck = 75 * time.Minute, 15 * time.Second
		var first aws.Credentials
		var failed, renewed time.Time // the first times
		start := time.Now()
		source := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			now := time.Now()
			creds := aws.Credentials{AccessKeyID: "ASIA", SecretAccessKey: "s", CanExpire: true, Expires: now.Add(time.Hour)}
			switch {
			case !first.HasKeys():
				first = creds
			case now.Sub(start) < outage:
				if failed.IsZero() {
					failed = now
				}
				return aws.Credentials{}, errors.New("no route to host")
			case renewed.IsZero():
				renewed = now
			}
			return creds, nil
		})
		var log bytes.Buffer
		m, err := chaim.NewMonitor(t.Context(), source, chaim.MonitorOptions{Logger: slog.New(slog.NewJSONHandler(&log, nil))})
		require.NoError(t, err)

		type told struct {
			at    time.Time
			state chaim.State
		}
		var signals []told
		var listener sync.WaitGroup
		ended := make(chan struct{})
		listener.Go(func() {
			for {
				select {
				case <-m.Updated():
					signals = append(signals, told{time.Now(), m.State()})
				case <-ended:
					return
				}
			}
		})
		for time.Since(start) < outage+5*time.Minute {
			synctest.Wait()
			now := time.Now()
			want := chaim.StateLate
			switch {
			case failed.IsZero() || !renewed.IsZero():
				want = chaim.StateOK
			case !now.Before(first.Expires):
				want = chaim.StateExpired
			case now.After(first.Expires.Add(-6 * time.Minute)): // a tenth of the lifetime
				want = chaim.StateCritical
			}
			require.Equal(t, want, m.State(), "after %s", now.Sub(start))
			<-time.After(time.Second)
		}
		close(ended)
		listener.Wait()
		require.NoError(t, m.Close())
		assert.Equal(t, chaim.StateExpired, m.State(), "after Close")

		changes := []told{
			{failed, chaim.StateLate},
			{first.Expires.Add(-6 * time.Minute), chaim.StateCritical},
			{first.Expires, chaim.StateExpired},
			{renewed, chaim.StateOK},
		}
		require.GreaterOrEqual(t, len(signals), len(changes), "%v", signals)
		levels := []string{"WARN", "ERROR", "ERROR", "INFO"}
		lines := json.NewDecoder(&log)
		for i, change := range changes {
			var line struct {
				Time  time.Time
				Level string
			}
			require.NoError(t, lines.Decode(&line))
			assert.Equal(t, levels[i], line.Level, "%s", change.state)
			for _, at := range []time.Time{line.Time, signals[i].at} {
				late := at.Sub(change.at)
				assert.True(t, late >= 0 && late <= wakeCheck, "%s is told %s late", change.state, late)
			}
			assert.Equal(t, change.state, signals[i].state)
		}
		assert.False(t, lines.More(), "%s", log.String())
		for _, signal := range signals[len(changes):] {
			assert.Equal(t, told{renewed, chaim.StateOK}, signal, "signalled for the keys and for the state")
		}
	})
}

// issuers are ways to run a Monitor with keys of one hour, from the gateway and from STS.
var issuers = map[string]func(t *testing.T, srv *chaimtest.Server) aws.CredentialsProvider{
	"gateway": func(t *testing.T, srv *chaimtest.Server) aws.CredentialsProvider {
		c, err := chaim.New(optionsFor(t, srv))
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, c.Close()) })
		return c
	},
	"STS": func(t *testing.T, srv *chaimtest.Server) aws.CredentialsProvider {
		s := stsFor(srv)
		s.Duration = time.Hour
		m, err := chaim.NewMonitor(t.Context(), s, chaim.MonitorOptions{})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, m.Close()) })
		return m
	},
}

// awaitRequest waits until there were n requests, and returns the time of the last one.
func awaitRequest(t *testing.T, srv *chaimtest.Server, n int) time.Time {
	for range 4 * 3600 {
		if requests := srv.Requests(); len(requests) >= n {
			require.Len(t, requests, n)
			return requests[n-1].Time
		}
		<-time.After(time.Second)
	}
	require.Fail(t, "no request", "number %d", n)
	return time.Time{}
}

func TestThrottledRenewal(t *testing.T) {
	for name, issuer := range issuers {
		t.Run(name, func(t *testing.T) {
			noSDKConfig(t)
			for range 20 {
				synctest.Test(t, func(t *testing.T) {
					srv := chaimtest.NewServer(t)
					creds := issuer(t, srv)
					first, err := creds.Retrieve(t.Context())
					require.NoError(t, err)
					srv.Inject(-1, chaimtest.Throttle(0))
					began := awaitRequest(t, srv, 2)
					<-time.After(time.Until(began.Add(5 * time.Minute)))
					srv.Clear()
					synctest.Wait()
					during := len(srv.Requests()) - 1
					assert.LessOrEqual(t, during, 10)
					recovered := awaitRequest(t, srv, 1+during+1)
					assert.LessOrEqual(t, recovered.Sub(began), 5*time.Minute+150*time.Second)
					synctest.Wait()
					renewed, err := creds.Retrieve(t.Context())
					require.NoError(t, err)
					assert.NotEqual(t, first.AccessKeyID, renewed.AccessKeyID)
				})
			}
		})
	}
}

func TestRetryAfterIsObeyedUpToAThirdOfWhatIsLeft(t *testing.T) {
	for name, issuer := range issuers {
		t.Run(name, func(t *testing.T) {
			noSDKConfig(t)
			synctest.Test(t, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				creds := issuer(t, srv)
				first, err := creds.Retrieve(t.Context())
				require.NoError(t, err)
				srv.Inject(1, chaimtest.Throttle(5*time.Minute))
				srv.Inject(1, chaimtest.Throttle(time.Hour))
				throttled := awaitRequest(t, srv, 2)
				again := awaitRequest(t, srv, 3)
				assert.Equal(t, 5*time.Minute, again.Sub(throttled))
				left := first.Expires.Sub(again)
				assert.InDelta(t, left/3, awaitRequest(t, srv, 4).Sub(again), float64(time.Second))
			})
		})
	}
}

// TestRegionOfTheSDK: only the SDK reads a region from [default] of the credentials file.
func TestRegionOfTheSDK(t *testing.T) {
	for region, partition := range map[string]string{"us-west-2": "aws", "cn-north-1": "aws-cn"} {
		t.Run(region, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			home := srv.Setenv(t)
			for _, name := range []string{"CHAIM_URL", "CHAIM_USER", "CHAIM_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"} {
				require.NoError(t, os.Unsetenv(name))
			}
			signer := srv.AddKeys("sredev", "chris")
			path := filepath.Join(home, "credentials")
			write(t, path, fmt.Sprintf("[default]\nregion = %s\naws_access_key_id = %s\naws_secret_access_key = %s\n\n[kept]\naccountname = 111111111111\nrole = mpu\naws_access_key_id = ASIAOLD\naws_secret_access_key = o\n",
				region, signer.AccessKeyID, signer.SecretAccessKey))
			work := func(_ context.Context, c *chaim.Client) error {
				assert.Equal(t, region, c.Region())
				return nil
			}
			_ = chaim.WithContext(t.Context(), chaim.Options{Account: "111111111111", Role: "mpu", NoProfile: true}, work)
			_ = chaim.Each(t.Context(), []chaim.Account{{ID: "111111111111"}}, chaim.EachOptions{Options: chaim.Options{Role: "mpu"}},
				func(ctx context.Context, _ chaim.Account, c *chaim.Client) error { return work(ctx, c) })
			c, err := chaim.New(chaim.Options{})
			require.NoError(t, err)
			defer c.Close()
			_, err = c.RenewSection(t.Context(), "kept")
			if partition == "aws" {
				require.NoError(t, err)
				assert.Contains(t, read(t, path), "[kept]\naccountname = 111111111111\nrole = mpu\naws_access_key_id = ASIA")
				assert.NotContains(t, read(t, path), "eu-west-1")
			}
			for _, r := range srv.Requests() {
				assert.Equal(t, "arn:"+partition+":iam::111111111111:role/CrossAccountPowerUser", r.Parameters["RoleArn"])
			}
			assert.Len(t, srv.Requests(), 3)
		})
	}
}

// TestChainedKeysAreAskedForInTheSameRegion: the profile that signs has a role, and no region or another one.
func TestChainedKeysAreAskedForInTheSameRegion(t *testing.T) {
	for _, own := range []string{"", "region = us-east-2\n"} {
		noSDKConfig(t)
		require.NoError(t, os.Unsetenv("AWS_REGION"))
		require.NoError(t, os.Unsetenv("AWS_DEFAULT_REGION"))
		config := filepath.Join(t.TempDir(), "config")
		t.Setenv("AWS_CONFIG_FILE", config)
		t.Setenv("AWS_PROFILE", "base")
		t.Setenv("AWS_MAX_ATTEMPTS", "1")
		write(t, config, "[profile src]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = s\n[profile base]\nrole_arn = arn:aws:iam::222222222222:role/Base\nsource_profile = src\n"+own)
		var hosts []string
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			hosts = append(hosts, r.Host)
			w.WriteHeader(http.StatusForbidden)
		}))
		t.Cleanup(proxy.Close)
		t.Setenv("HTTPS_PROXY", proxy.URL)
		c, err := chaim.New(chaim.Options{Account: "111111111111", NoProfile: true, Region: "eu-central-1"})
		require.NoError(t, err)
		_, err = c.RequestKeys(t.Context())
		assert.Error(t, err)
		assert.NoError(t, c.Close())
		for _, host := range hosts {
			assert.Equal(t, "sts.eu-central-1.amazonaws.com:443", host)
		}
		assert.NotContains(t, err.Error(), "Missing Region")
	}
}

func TestWrongRegionOfTheGatewayWhenRenewing(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	opts.Account, opts.Region, opts.Settings.Region = "", "", "us-east-1a"
	before := "[kept]\naccountname = sredev\nrole = rro\naws_access_key_id = ASIAOLD\naws_secret_access_key = o\n"
	write(t, credentialsFile(opts), before)
	_, err := clientFor(t, opts).RenewSection(t.Context(), "kept")
	assert.ErrorContains(t, err, `"us-east-1a" is the name of a zone`)
	assert.Equal(t, before, read(t, credentialsFile(opts)))
	assert.Empty(t, srv.Requests())
}

// TestMisspeltRegionBesideAGivenOne: the environment has a misspelt region, but Options has a right one.
func TestMisspeltRegionBesideAGivenOne(t *testing.T) {
	noSDKConfig(t)
	t.Setenv("AWS_REGION", "us-east-1a")
	c, err := chaim.New(chaim.Options{Account: "111111111111", NoProfile: true, Region: "eu-west-1"})
	require.NoError(t, err)
	assert.NoError(t, c.Close())
}

// TestGatewayAsBroker: a Gateway as Broker is checked like that of the Settings.
func TestGatewayAsBroker(t *testing.T) {
	ok := chaim.Settings{Endpoint: "https://gateway.example", Username: "chris", UserToken: "CANARY"}
	zone, plain := ok, ok
	zone.Region, plain.Endpoint = "us-east-1a", "http://gateway.example"
	for want, g := range map[string]*chaim.Gateway{
		"this *Gateway is nil":      nil,
		"is the name of a zone":     {Settings: zone},
		"plain http":                {Settings: plain},
		"Gateway.Settings lack the": {},
	} {
		_, err := chaim.New(chaim.Options{Account: "sredev", NoProfile: true, Broker: g})
		assert.ErrorContains(t, err, want)
	}
	for _, opts := range []chaim.Options{{HTTPClient: http.DefaultClient}, {AllowInsecure: true}} {
		opts.Account, opts.NoProfile, opts.Broker = "sredev", true, &chaim.Gateway{Settings: ok}
		_, err := chaim.New(opts)
		assert.ErrorContains(t, err, "set those of the Gateway")
	}
	_, err := (*chaim.Gateway)(nil).Keys(t.Context(), chaim.Request{})
	assert.Error(t, err)
	assert.Contains(t, fmt.Sprint((*chaim.Gateway)(nil)), "chaim.Gateway{")
}

// TestGatewayThatCouldNotBeMade: after a failure the next use tries again.
func TestGatewayThatCouldNotBeMade(t *testing.T) {
	g := &chaim.Gateway{Settings: chaim.Settings{Endpoint: "https://gateway.example", Username: "chris", UserToken: "token"}}
	opts := chaim.Options{Account: "sredev", NoProfile: true, Broker: g, Dir: t.TempDir()}
	t.Setenv("AWS_CA_BUNDLE", filepath.Join(opts.Dir, "missing"))
	_, err := chaim.New(opts)
	require.ErrorIs(t, err, fs.ErrNotExist)
	t.Setenv("AWS_CA_BUNDLE", "")
	c, err := chaim.New(opts)
	require.NoError(t, err)
	assert.NoError(t, c.Close())
}

// TestGrantsOfABroker: chaim completes grants, and refuses those for another account.
func TestGrantsOfABroker(t *testing.T) {
	const one, two = "111111111111", "222222222222"
	for name, tt := range map[string]struct {
		account, id         string // of the request
		gotAccount, gotID   string
		wantAccount, wantID string // of the profile
		isSource, isRefused bool
	}{
		"keys only, by name":      {"sredev", "", "", "", "sredev", "", false, false},
		"keys only, by id":        {one, "", "", "", one, one, false, false},
		"keys only, both known":   {"sredev", one, "", "", "sredev", one, false, false},
		"id told":                 {"sredev", "", "", one, "sredev", one, false, false},
		"id told as the name":     {"sredev", "", one, "", one, one, false, false},
		"its own name":            {"sredev", "", "SRE", one, "SRE", one, false, false},
		"malformed id":            {"sredev", "", "", "1111", "sredev", "", false, false},
		"another id":              {one, "", "", two, "", "", false, true},
		"another id, by name":     {"sredev", one, "", two, "", "", false, true},
		"another id as the name":  {one, "", two, "", "", "", false, true},
		"another, id known":       {"sredev", one, two, "", "", "", false, true},
		"two ids":                 {"sredev", "", two, one, "", "", false, true},
		"malformed id, one asked": {one, "", "", "22222222222", "", "", false, true},
		"an id with a space":      {one, "", "", " " + one, "", "", false, true},
		"source, keys only":       {one, "", "", "", one, "", true, false},
		"source, another id":      {one, "", "", two, "", "", true, true},
		"source, malformed id":    {one, "", "", "22222222222", "", "", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			given := chaim.Grant{Account: tt.gotAccount}
			given.AccessKeyID, given.SecretAccessKey, given.SessionToken, given.AccountID = "ASIAEXAMPLE000000001", "secret", "token", tt.gotID
			opts := chaim.Options{Account: tt.account, AccountID: tt.id, Dir: t.TempDir(), TempName: "dev", Keep: true}
			if tt.isSource {
				opts.Source = credentials.StaticCredentialsProvider{Value: given.Credentials}
			} else {
				opts.Broker = brokerFunc(func(context.Context, chaim.Request) (chaim.Grant, error) { return given, nil })
			}
			c, err := chaim.New(opts)
			require.NoError(t, err)
			defer c.Close()
			creds, err := c.RequestKeys(t.Context())
			list, listErr := c.MyAccountList(t.Context())
			require.NoError(t, listErr)
			if tt.isRefused {
				assert.ErrorContains(t, err, "the keys that came are for account")
				assert.Empty(t, list)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.wantID, creds.AccountID)
			assert.Equal(t, tt.wantAccount, list[0].Account)
			text, err := os.ReadFile(filepath.Join(opts.Dir, "credentials"))
			require.NoError(t, err)
			assert.Equal(t, tt.wantID != "", strings.Contains(string(text), "\naccountid = "+tt.wantID+"\n"))
		})
	}
}

// TestBrokersRefuseWhatWasNotAsked: brokers refuse impossible requests before they send one.
func TestBrokersRefuseWhatWasNotAsked(t *testing.T) {
	srv := chaimtest.NewServer(t)
	g := &chaim.Gateway{Settings: *srv.Settings(), HTTPClient: srv.HTTPClient()}
	sts := (&chaim.STS{RoleARN: "arn:aws:iam::111111111111:role/Admin", Keys: chaim.AwsCreds{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "s"}, HTTPClient: srv.HTTPClient()}).Broker()
	for _, r := range []chaim.Request{
		{Account: "sredev", Role: "mpu,12", Duration: time.Hour},
		{Account: "sredev", AccountID: "111111111111,apu,12", Role: "mpu", Duration: time.Hour},
		{Account: "sredev", Role: "mpu"},
		{Role: "mpu", Duration: time.Hour},
	} {
		_, err := g.Keys(t.Context(), r)
		assert.ErrorContains(t, err, "chaim: ")
		_, err = sts.Keys(t.Context(), r)
		assert.ErrorContains(t, err, "chaim: ")
	}
	for _, r := range []chaim.Request{
		{Account: "dev", Role: "rro", Duration: time.Hour},
		{Account: "111111111111", Role: "rro", Duration: time.Hour},
		{Account: "222222222222", Role: "Admin", Duration: time.Hour},
		{Account: "dev", Role: "arn:aws:iam::111111111111:role/Other", Duration: time.Hour},
	} {
		_, err := sts.Keys(t.Context(), r)
		assert.ErrorContains(t, err, "gives keys of role")
	}
	other := (&chaim.STS{Region: "eu-west-1", Keys: chaim.AwsCreds{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "s"}, HTTPClient: srv.HTTPClient()}).Broker()
	_, err := other.Keys(t.Context(), chaim.Request{Account: "111111111111", Role: "rro", Region: "cn-north-1", Duration: time.Hour})
	assert.ErrorContains(t, err, "is of partition aws, but region cn-north-1 is of partition aws-cn")
	assert.Empty(t, srv.Requests())
}

// TestErrorsOfABroker: errors of a broker show no secret, whatever type they have.
func TestErrorsOfABroker(t *testing.T) {
	const secret = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY12"
	for _, failure := range []error{
		errors.New("reply was " + secret),
		errors.New("chaim: reply was " + secret),
		&chaim.GatewayError{StatusCode: 500, Message: "reply was " + secret},
		fmt.Errorf("broker: %w", &chaim.GatewayError{StatusCode: 500, Message: "secretkey=" + secret}),
		fmt.Errorf("broker: %w", &chaim.AccountError{Err: errors.New(secret)}),
	} {
		for _, opts := range []chaim.Options{
			{Broker: brokerFunc(func(context.Context, chaim.Request) (chaim.Grant, error) { return chaim.Grant{}, failure })},
			{Source: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, failure })},
		} {
			opts.Account, opts.NoProfile, opts.Dir = "acme-production-AdministratorAccess-123456789012", true, t.TempDir()
			c, err := chaim.New(opts)
			require.NoError(t, err)
			_, err = c.RequestKeys(t.Context())
			assertNoSecretIn(t, err, secret)
			assert.ErrorContains(t, err, opts.Account)
			assert.NoError(t, c.Close())
		}
	}
}

func TestOptionErrorNamesTheField(t *testing.T) {
	srv := chaimtest.NewServer(t)
	for field, change := range map[string]func(o *chaim.Options){
		"Account":   func(o *chaim.Options) { o.Account = "a\nb" },
		"AccountID": func(o *chaim.Options) { o.AccountID = "1" },
		"Role":      func(o *chaim.Options) { o.Role = "no role" },
		"Duration":  func(o *chaim.Options) { o.Duration = time.Minute },
		"Region":    func(o *chaim.Options) { o.Region = "eu-wst-1" },
		"TempName":  func(o *chaim.Options) { o.TempName = "[x]" },
		"Form":      func(o *chaim.Options) { o.Form = chaim.Process; o.Keep = true },
		"Default":   func(o *chaim.Options) { o.Default = true },
		"NoProfile": func(o *chaim.Options) { o.NoProfile = true; o.Keep = true },
		"ReadOnly":  func(o *chaim.Options) { o.ReadOnly = true },
		"Broker":    func(o *chaim.Options) { o.Broker = &chaim.Gateway{} },
		"Source":    func(o *chaim.Options) { o.Source = (*chaim.STS)(nil) },
	} {
		opts := optionsFor(t, srv)
		change(&opts)
		_, err := chaim.New(opts)
		wrong := (*chaim.OptionError)(nil)
		require.ErrorAs(t, err, &wrong, field)
		assert.Equal(t, field, wrong.Field)
		assert.EqualError(t, err, wrong.Err.Error())
		assert.ErrorIs(t, err, wrong.Err)
	}
	opts := optionsFor(t, srv)
	opts.Source = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, nil })
	opts.Settings, opts.Account = nil, `"quoted"`
	_, err := chaim.New(opts)
	wrong := (*chaim.OptionError)(nil)
	require.ErrorAs(t, err, &wrong, "no file can name this account")
	assert.Equal(t, "Account", wrong.Field)
	assert.Empty(t, srv.Requests())
}

// TestBrokenSettingsDoNotHinderTheFile looks after profiles while the gateway's settings cannot be used. No other broker is
// asked in the place of the gateway.
func TestBrokenSettingsDoNotHinderTheFile(t *testing.T) {
	srv := chaimtest.NewServer(t)
	dir := srv.Setenv(t)
	keys := srv.AddKeys("111111111111", "me")
	t.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys.SecretAccessKey)
	t.Setenv("CHAIM_URL", "http://gateway.example.com/")
	write(t, filepath.Join(dir, "credentials"), "[held]\naccountname = 111111111111\nrole = CrossAccountReadOnly\naws_access_key_id = ASIA1\n"+
		"aws_secret_access_key = s\naws_session_token = t\nexpires = 4102444800\n")
	c, err := chaim.New(chaim.Options{})
	require.NoError(t, err)
	defer c.Close()
	profiles, err := c.MyAccountList(t.Context())
	require.NoError(t, err)
	require.Len(t, profiles, 1)
	_, err = c.RenewSection(t.Context(), "held")
	require.ErrorContains(t, err, "plain http")
	_, err = c.RequestList(t.Context())
	require.ErrorContains(t, err, "plain http")
	_, err = c.Endpoint(t.Context())
	require.ErrorContains(t, err, "plain http")
	err = chaim.Each(t.Context(), []chaim.Account{{ID: "111111111111"}}, chaim.EachOptions{}, func(context.Context, chaim.Account, *chaim.Client) error { return nil })
	require.ErrorContains(t, err, "plain http")
	assert.False(t, errors.As(err, new(*chaim.EachError)), "it is told once, and not for each account")
	require.NoError(t, c.DeleteAccount(t.Context(), "held"))
	assert.Empty(t, srv.Requests())
}

// TestNilPointers would panic in a goroutine that no caller can recover.
func TestNilPointers(t *testing.T) {
	for want, opts := range map[string]chaim.Options{
		"Options.Source is a nil *chaim.STS":            {Source: (*chaim.STS)(nil)},
		"Options.Source is a nil *chaim.MFASession":     {Source: (*chaim.MFASession)(nil)},
		"Options.Broker is a nil *chaim.Profiles":       {Broker: (*chaim.Profiles)(nil)},
		"Options.Broker is a nil *chaim.IdentityCenter": {Broker: (*chaim.IdentityCenter)(nil)},
	} {
		opts.Account, opts.Dir = "111111111111", t.TempDir()
		_, err := chaim.New(opts)
		require.EqualError(t, err, "chaim: "+want)
		var wrong *chaim.OptionError
		require.ErrorAs(t, err, &wrong)
		assert.Contains(t, want, "."+wrong.Field+" ")
		if opts.Source != nil {
			_, err := chaim.NewMonitor(t.Context(), opts.Source, chaim.MonitorOptions{})
			require.ErrorContains(t, err, "no source to monitor")
		}
	}
}
