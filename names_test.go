package chaim_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/inifile"
)

// originalGateway is one that behaves as the original does, and options for it.
func originalGateway(t *testing.T) (*chaimtest.Server, chaim.Options) {
	srv := chaimtest.NewServer(t)
	srv.SetOriginal(chaimtest.Original{})
	opts := optionsFor(t, srv)
	opts.Role, opts.Duration = "mpu", 4*time.Hour
	return srv, opts
}

// asked are the texts of the requests since the last call.
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

// pairsIn are the managed keys of a profile.
func pairsIn(t *testing.T, opts chaim.Options, profile string) map[string]string {
	t.Helper()
	pairs, _, err := inifile.ReadManaged([]byte(read(t, credentialsFile(opts))), profile)
	require.NoError(t, err)
	return pairs
}

// TestNamesThatGatewaysMisread has accounts that the original gateway gives with another role, or not at all, or as another
// account when it is asked for them by name.
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

// TestKeysOfWhatWasNotAskedFor has replies with keys that must not be used.
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
		{"sredev", "mpu", "'role': '" + arn + "TeamPowerUser'", ""}, // what this gateway means by it
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
		{"111111111111", "mpu", "'accountid': ''", ""}, // whose name the list knows
		{"111111111111", "mpu", "'accountid': 'x'", "accountid of the reply is no account id"},
		{"111111111111", "mpu", "'accountid': 1.5", "accountid of the reply is no account id"},
		{"111111111111", "mpu", "'accountid': True", "accountid of the reply is no account id"},
		{"111111111111", "mpu", "'accountid': 999999999999", "another account, 999999999999"},
		{"sredev", "mpu", "'accountid': 999999999999, 'sectionname': 'other'", "reply has keys for account"},
		{"111111111111", "mpu", "'accountid': None, 'sectionname': 'other'", "reply has keys for account"},
		{"111111111111", "mpu", "'accountid': None, 'sectionname': 'Connected Homes'", "reply has keys for account"},
		{"sredev", "mpu", "'sectionname': 'SREDEV'", ""},
		{"111111111111", "mpu", "'sectionname': 'whatever'", ""},
		{"sredev", "mpu", "'sectionname': 'long name of sredev'", ""}, // which the list says it is
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
				srv.Inject(1, nil) // the list
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

// TestRenamedAccount is renewed by its id, also where its name is another's by now.
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
	assert.ErrorContains(t, err, "444444444444, and for 111111111111")
}

// TestKeysThatLastLonger has keys refused that are valid for longer than was asked for, wherever they come from.
func TestKeysThatLastLonger(t *testing.T) {
	for lifetime, isRefused := range map[time.Duration]bool{4*time.Hour + 4*time.Minute: false, 4*time.Hour + 6*time.Minute: true, 12 * time.Hour: true} {
		synctest.Test(t, func(t *testing.T) {
			srv, opts := originalGateway(t)
			srv.SetLifetime(lifetime)
			srv.Advance(time.Hour) // a wrong clock is something else
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

// TestShorterLifetimeOfOthers has keys told of that were stored, or that STS gave, for less time than was asked for.
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
			srv.Advance(time.Hour) // a wrong clock is something else
			c := clientFor(t, opts)
			for range 3 {
				_, err := c.RequestKeys(t.Context())
				require.NoError(t, err)
			}
			assert.Equal(t, want, strings.Count(log.String(), `msg="chaim: keys end sooner than was asked for" account=sredev role=mpu asked=4h0m0s given=`), log.String())
		})
	}
}
