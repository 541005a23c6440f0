package chaim_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// clientOf returns a client without a gateway, and the path of its credentials file, which has this text.
func clientOf(t testing.TB, text string) (c *chaim.Client, path string) {
	t.Helper()
	opts := chaim.Options{
		Account: "sredev", Dir: t.TempDir(),
		Source: credentials.NewStaticCredentialsProvider("ASIAEXAMPLE000000001", "CANARYsecret", "CANARYtoken"),
	}
	require.NoError(t, os.WriteFile(credentialsFile(opts), []byte(text), 0o600))
	c, err := chaim.New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return c, credentialsFile(opts)
}

// display returns the lines that a client displays.
func display(t *testing.T, c *chaim.Client) []string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, c.DisplayMyList(t.Context(), &out))
	text, isComplete := strings.CutSuffix(out.String(), "\n")
	require.True(t, isComplete)
	assert.NotContains(t, text, "CANARY")
	return strings.Split(text, "\n")
}

// waitUntil waits for an exact time, because an edit of the file takes some of a bubble's time.
func waitUntil(at time.Time) { <-time.After(time.Until(at)) }

// waitForNoon waits until noon in the local time zone on the second day of a bubble, so that the next hours are on the same
// day.
func waitForNoon() time.Time {
	noon := time.Date(2000, 1, 2, 12, 0, 0, 0, time.Local)
	waitUntil(noon)
	return noon
}

func TestMyAccountList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := optionsFor(t, chaimtest.NewServer(t))
		write(t, credentialsFile(opts), userFile+"\n[mine]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\nAccountName : ops\n")
		noon := waitForNoon()
		mine := chaim.Profile{Name: "mine", Account: "ops", Static: true}
		kept := chaim.Profile{
			Name: "dev", Account: "Connected Homes", AccountID: "222222222222", Role: "mpu", Region: "eu-west-1",
			Expires: noon.Add(2 * time.Hour), Duration: 2 * time.Hour,
		}
		keep := opts
		keep.Keep, keep.TempName, keep.Account, keep.Role, keep.Duration = true, kept.Name, kept.Account, kept.Role, kept.Duration
		require.NoError(t, chaim.WithContext(t.Context(), keep, func(context.Context, *chaim.Client) error { return nil }))
		process := chaim.Profile{
			Name: "tempname", Account: "sredev", AccountID: "111111111111", Role: "rro", Region: "eu-central-1",
			Expires: noon.Add(21 * time.Minute), Duration: 20 * time.Minute, Form: chaim.Process, Live: true,
		}
		other := opts
		other.Form, other.Region, other.Duration = process.Form, process.Region, process.Duration
		other.NoRenew = true

		c, err := chaim.New(opts)
		require.NoError(t, err)
		defer c.Close()
		looker := clientFor(t, chaim.Options{Dir: opts.Dir, Settings: opts.Settings})
		list := func() []chaim.Profile {
			profiles, err := looker.MyAccountList(t.Context())
			require.NoError(t, err)
			assert.NotContains(t, fmt.Sprintf("%#v", profiles), "CANARY")
			return profiles
		}
		waitUntil(noon.Add(time.Minute))
		require.NoError(t, chaim.WithContext(t.Context(), other, func(context.Context, *chaim.Client) error {
			waitUntil(noon.Add(2 * time.Minute))
			_, err := c.RequestKeys(t.Context())
			own := chaim.Profile{
				Name: c.Profile(), Account: "sredev", AccountID: "111111111111", Role: "rro", Region: "eu-west-1",
				Expires: noon.Add(62 * time.Minute), Duration: time.Hour, Live: true,
			}
			assert.Equal(t, []chaim.Profile{mine, kept, process, own}, list())

			waitUntil(noon.Add(11 * time.Minute))
			var left []time.Duration
			var percents []int
			for _, p := range list() {
				left, percents = append(left, p.Left()), append(percents, p.Percent())
			}
			assert.Equal(t, []time.Duration{0, 109 * time.Minute, 10 * time.Minute, 51 * time.Minute}, left)
			assert.Equal(t, []int{0, 90, 50, 85}, percents)
			return err
		}))
		require.NoError(t, c.DeleteAccount(t.Context(), c.Profile()))
		waitUntil(noon.Add(2 * time.Hour))
		profiles := list()
		assert.Equal(t, []chaim.Profile{mine, kept}, profiles, "one that has expired is held still")
		assert.Zero(t, profiles[1].Left())
	})
}

func TestProfileOfDeadScope(t *testing.T) {
	for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
		c, path := clientOf(t, "")
		require.NoError(t, os.Remove(path))
		opts := optionsFor(t, chaimtest.NewServer(t))
		opts.Form = form
		err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
			return os.CopyFS(filepath.Dir(path), os.DirFS(opts.Dir)) // the copied lease is not locked
		})
		require.NoError(t, err)
		profiles, err := c.MyAccountList(t.Context())
		require.NoError(t, err)
		require.Len(t, profiles, 1)
		assert.False(t, profiles[0].Live)
		assert.True(t, profiles[0].Dead)
		assert.Positive(t, profiles[0].Left())
		assert.Equal(t, form, profiles[0].Form)
		assert.Regexp(t, `^  tempname  sredev  rro  eu-west-1  in 1 hour .*at \d\d:\d\d:\d\d \[\d+%\]  dead$`, display(t, c)[0])

		swept, err := chaim.Sweep(t.Context(), filepath.Dir(path))
		require.NoError(t, err)
		require.NotEmpty(t, swept)
		assert.Equal(t, []string{"no profiles in " + path}, display(t, c))
	}
}

// TestListWithExpiresOfAnotherTool: other tools write times and durations in other forms than chaim.
func TestListWithExpiresOfAnotherTool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := waitForNoon()
		for _, test := range []struct {
			expires, duration string
			left, length      time.Duration
			percent           int
			shows             string
		}{
			{expires: "2000-01-02T12:43:00.5+00:00", duration: "1", left: 43 * time.Minute, length: time.Hour, percent: 71, shows: "in 43 minutes at 12:43:00 [71%]"},
			{expires: "2036-07-01 12:00:00", shows: "unknown"},
			{expires: "soon", duration: "an hour", shows: "unknown"},
			{expires: "\x1b[2J", duration: "\x00", shows: "unknown"},
			{shows: "unknown"},
			{expires: "0", duration: "0", shows: "has expired"},
			{expires: "-1", duration: "-1", shows: "has expired"},
			{expires: "1999-12-31 12:00:00", shows: "has expired"},
			{expires: "NaN", duration: "NaN", shows: "unknown"},
			{expires: "99999999999999999999", duration: "99999999999999999999", shows: "unknown"},
			{expires: "1", duration: "1", length: time.Hour, shows: "has expired"},
			{expires: "946728000001", duration: "99999", shows: "has expired"},
			{expires: "{+2580}000", duration: "1", left: 43 * time.Minute, length: time.Hour, percent: 71, shows: "in 43 minutes at 12:43:00 [71%]"},
			{expires: "2000-01-02T13:43:00+01:00", duration: "36028797018967568", left: 43 * time.Minute, shows: "in 43 minutes at 12:43:00"},
			{expires: "{+0}", duration: "12", length: 12 * time.Hour, shows: "has expired"},
			{expires: "{+1}", duration: "1", left: time.Second, length: time.Hour, shows: "in 1 second at 12:00:01 [0%]"},
			{expires: "{+2580}", duration: "1", left: 43 * time.Minute, length: time.Hour, percent: 71, shows: "in 43 minutes at 12:43:00 [71%]"},
			{expires: "{+2580}", duration: "3600", left: 43 * time.Minute, length: time.Hour, percent: 71, shows: "in 43 minutes at 12:43:00 [71%]"},
			{expires: "{+2580}.75", duration: "3600.0", left: 43 * time.Minute, shows: "in 43 minutes at 12:43:00"},
			{expires: "{+2580}", left: 43 * time.Minute, shows: "in 43 minutes at 12:43:00"},
			{expires: "{+2580}", duration: "13", left: 43 * time.Minute, shows: "in 43 minutes at 12:43:00"},
			{expires: "{+2580}", duration: "899", left: 43 * time.Minute, shows: "in 43 minutes at 12:43:00"},
			{expires: "{+2580}", duration: "43201", left: 43 * time.Minute, shows: "in 43 minutes at 12:43:00"},
			// So many seconds are 20 minutes modulo 2^64 nanoseconds.
			{expires: "{+2580}", duration: "36028797018965168", left: 43 * time.Minute, shows: "in 43 minutes at 12:43:00"},
			{expires: "{+450}", duration: "900", left: 450 * time.Second, length: 15 * time.Minute, percent: 50, shows: "in 8 minutes at 12:07:30 [50%]"},
			{expires: "{+43200}", duration: "43200", left: 12 * time.Hour, length: 12 * time.Hour, percent: 100, shows: "in 12 hours on 2000-01-03 at 00:00:00 [100%]"},
			{expires: "{+7200}", duration: "1", left: 2 * time.Hour, length: time.Hour, percent: 100, shows: "in 2 hours at 14:00:00 [100%]"},
		} {
			expires := test.expires
			if offset, rest, isRelative := strings.Cut(strings.TrimPrefix(expires, "{+"), "}"); isRelative {
				seconds, err := time.ParseDuration(offset + "s")
				require.NoError(t, err)
				expires = fmt.Sprint(now.Add(seconds).Unix()) + rest
			}
			c, _ := clientOf(t, "[p]\naccountname = a\nexpires = "+expires+"\nduration = "+test.duration+"\nrole = r\nregion = x\n")
			profiles, err := c.MyAccountList(t.Context())
			require.NoError(t, err)
			require.Len(t, profiles, 1)
			assert.Equal(t, test.left, profiles[0].Left(), test)
			assert.Equal(t, test.shows == "unknown", profiles[0].Expires.IsZero(), test)
			assert.Equal(t, test.length, profiles[0].Duration, test)
			assert.Equal(t, test.percent, profiles[0].Percent(), test)
			assert.Equal(t, []string{"  p  a  r  x  " + test.shows + "  kept"}, display(t, c), test)
		}
	})
}

func TestPercentOfOddDurations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			left, length time.Duration
			want         int
		}{
			{time.Hour, 0, 0},
			{time.Hour, -time.Hour, 0},
			{-time.Hour, time.Hour, 0},
			{1, 1, 100},
			{29 * time.Minute, 100 * time.Minute, 29},
			{time.Hour - 1, time.Hour, 99},
			{1 << 62, 1<<63 - 1, 50},
		} {
			assert.Equal(t, test.want, chaim.Profile{Expires: time.Now().Add(test.left), Duration: test.length}.Percent(), test)
		}
		assert.Zero(t, chaim.Profile{Duration: time.Hour}.Percent())
		assert.Zero(t, chaim.Profile{Duration: time.Hour}.Left())
	})
}

func TestDefaultAccountOfList(t *testing.T) {
	for settings, want := range map[string]string{
		"":                        "",
		"[default]\nregion = x\n": "",
		"[default]\nalias = dev\nsection = ops\n":      "dev",
		"[default]\nalias =\nsection = ops\n":          "ops",
		"[default]\nsection = ops\n":                   "ops",
		"[default]\nALIAS: dev\n":                      "dev",
		"[default]\nalias = nowhere\nsection = ops\n":  "",
		"[default]\nalias = Dev\n":                     "",
		"[default]\nalias = dev\n= damaged\n":          "",
		"[default]\nalias = dev\n[default]\nalias=x\n": "",
		"[default]\nalias = default\naccountname=a\n":  "",
	} {
		c, _ := clientOf(t, settings+"[ops]\naccountname = a\n[dev]\naccountname = b\n")
		profiles, err := c.MyAccountList(t.Context())
		require.NoError(t, err)
		var found []string
		for _, p := range profiles {
			if p.Default {
				found = append(found, p.Name)
			}
		}
		assert.Equal(t, want, strings.Join(found, " "), settings)
		for i, line := range display(t, c) {
			assert.Equal(t, profiles[i].Default, strings.HasPrefix(line, "* "), line)
		}
	}
}

func TestFormOfListedProfile(t *testing.T) {
	const process = "credential_process = cat '/home/u/.aws/chaim/credentials-ABCDEFGHIJKLMNOPQRSTUVWXYZ.json'\n"
	for lines, want := range map[string]chaim.ProfileForm{
		"":      chaim.Keys,
		process: chaim.Process,
		process + "aws_access_key_id = ASIAIOSFODNN7EXAMPLE\n": chaim.Keys, // SDKs prefer them
		"credential_process = vault\n":                         chaim.Keys, // not chaim's
	} {
		c, _ := clientOf(t, "[p]\naccountname = a\n"+lines)
		profiles, err := c.MyAccountList(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []chaim.Profile{{Name: "p", Account: "a", Form: want}}, profiles, lines)
	}
}

func TestListOfDamagedFile(t *testing.T) {
	const good = "[good]\naccountname = a\n"
	for damage, names := range map[string]string{
		"":                                       "",
		"\ufeff":                                 "",
		"[open\naccountname = a\n":               "",
		"[]\naccountname = a\n":                  "",
		"[p]\n":                                  "p",
		"[p]\naccountname =\n":                   "p",
		"[p]\naccountname\n":                     "p",
		"[p]\nx = y\n  accountname = nested\n":   "p",
		"[p]\n#accountname = a\n":                "p",
		"accountname = a\n= b\njunk\n":           "",
		"[good]\naccountname = a\n":              "+good",
		"[p]\naccountname = a\naccountname = \n": "p",
		"[p]\n\x00\xff\xfe\naccountname = a\n":   "+p",
		"[p]\r\naccountname = a\r\n":             "+p",
		" [ p ] ; x\naccountname = a\nexpires\n": "+p",
	} {
		c, path := clientOf(t, damage+good)
		profiles, err := c.MyAccountList(t.Context())
		require.NoError(t, err)
		var found []string
		for _, p := range profiles {
			found = append(found, p.Name)
		}
		want := "good"
		if first, isListed := strings.CutPrefix(names, "+"); isListed {
			want = first + " good"
		}
		assert.Equal(t, want, strings.Join(found, " "), "%q", damage)
		assert.Len(t, display(t, c), len(found))
		assert.Equal(t, damage+good, read(t, path))
	}
}

// snapshot returns the files of a folder with their modification times.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		found[path] = info.ModTime().String()
		if info.Mode().IsRegular() {
			found[path] += read(t, path)
		}
		return nil
	}))
	return found
}

func TestListingWritesNothing(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	parent := opts.Dir
	opts.Dir = filepath.Join(parent, "new")
	c, err := chaim.New(opts)
	require.NoError(t, err)
	defer c.Close()
	profiles, err := c.MyAccountList(t.Context())
	require.NoError(t, err)
	assert.Empty(t, profiles)
	assert.Equal(t, []string{"user token of test.user: unknown", "no profiles in " + credentialsFile(opts)}, display(t, c))
	assert.NoDirExists(t, opts.Dir)

	require.NoError(t, os.Mkdir(opts.Dir, 0o700))
	write(t, credentialsFile(opts), userFile+"\n[dead]\naccountname = a\nchaim_scope = x\nexpires = 1\n")
	before := snapshot(t, parent)
	require.Len(t, display(t, c), 2)
	assert.Equal(t, before, snapshot(t, parent))

	opts.NoRenew = true
	require.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
		before := snapshot(t, parent)
		require.Greater(t, len(before), 4, "lock, lease and their folders")
		require.Len(t, display(t, c), 3)
		assert.Equal(t, before, snapshot(t, parent))
		return nil
	}))
}

func TestDisplayMyList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := optionsFor(t, chaimtest.NewServer(t))
		noon := waitForNoon()
		write(t, credentialsFile(opts), fmt.Sprintf(`[default]
alias = dev
usertoken = CANARYtoken
[dev]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = CANARYsecret
aws_session_token = CANARYtoken
aws_security_token = CANARYtoken
gui_url = https://signin.aws.amazon.com/federation?SigninToken=CANARY
expires = %d
duration = 1
role = mpu
accountname = Connected Homes
region = us-gov-west-1
[a-rather-long-name]
accountname = O'Brien
[old]
accountname = sredev
role = arn:aws:iam::111111111111:role/Backup
expires = 1
duration = 900
`, noon.Add(43*time.Minute+23*time.Second).Unix()))
		opts.Settings.TokenExpires = noon.AddDate(0, 0, 20)
		require.NoError(t, chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
			waitUntil(noon.Add(time.Second))
			assert.Equal(t, []string{
				"user token of test.user: in 20 days on 2000-01-22 at 12:00:00",
				"* dev                 Connected Homes  mpu                                    us-gov-west-1  in 43 minutes at 12:43:23 [72%]  kept",
				"  a-rather-long-name  O'Brien          -                                      -              unknown                          kept",
				"  old                 sredev           arn:aws:iam::111111111111:role/Backup  -              has expired                      kept",
				"  tempname            sredev           rro                                    eu-west-1      in 1 hour at 13:00:00 [99%]      live",
			}, display(t, c))
			return nil
		}))

		for end, want := range map[time.Time]string{
			{}:                         "user token of test.user: unknown",
			noon:                       "user token of test.user: has expired",
			noon.Add(30 * time.Minute): "user token of test.user: in 30 minutes at 12:30:00",
		} {
			opts.Settings.TokenExpires = end
			c, err := chaim.New(opts)
			require.NoError(t, err)
			assert.Equal(t, want, display(t, c)[0])
			require.NoError(t, c.Close())
		}
	})
}

// TestDisplayOfHostileFile: a file tries to control the terminal, to forge lines and to flood it.
func TestDisplayOfHostileFile(t *testing.T) {
	hostile := []string{
		"\x1b[2J\x1b(0\x07", "\x9b31m", "\u202egnorw\u2069", "a\tb", "a\vb\fc", "a\rb", "a\x00b", "a\x7fb", "a\b\bb", "\xff\xfe",
		"\u2028", "\u200b", "\u00e9", "\U0001f512", `"quoted"`, `back\slash`, strings.Repeat("x", 1<<20), strings.Repeat("\u202e", 1<<10),
	}
	var file strings.Builder
	for i, text := range hostile {
		fmt.Fprintf(&file, "[p%d%sz]\naccountname = a%[2]sz\nrole = r%[2]sz\nregion = e%[2]sz\nexpires = %[2]s\nduration = %[2]s\n", i, text)
	}
	c, _ := clientOf(t, file.String())
	profiles, err := c.MyAccountList(t.Context())
	require.NoError(t, err)
	require.Len(t, profiles, len(hostile))
	lines := display(t, c)
	require.Len(t, lines, len(hostile))
	for i, line := range lines {
		assert.Equal(t, fmt.Sprintf("p%d%sz", i, hostile[i]), profiles[i].Name, "as it stands in the file")
		assert.Equal(t, "a"+hostile[i]+"z", profiles[i].Account)
		assert.Regexp(t, `^[ -~]*  unknown  kept$`, line)
		assert.Len(t, line, len(lines[0]), "columns are aligned")
		assert.Less(t, len(line), 2000)
		assert.Regexp(t, fmt.Sprintf(`^  "p%d`, i), line, "it is quoted")
	}
	assert.Contains(t, lines[0], `"p0\x1b[2J\x1b(0\az"  `)
	assert.Contains(t, lines[2], `"a\u202egnorw\u2069z"  `)
	assert.Contains(t, lines[14], `"a\"quoted\"z"  `)
}

func TestListErrors(t *testing.T) {
	c, path := clientOf(t, "[p]\naccountname = a\n")
	full := errors.New("disk full")
	assert.ErrorIs(t, c.DisplayMyList(t.Context(), failingWriter{full}), full)

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(full)
	check := func(ctx context.Context, want error) {
		t.Helper()
		profiles, err := c.MyAccountList(ctx)
		assert.ErrorIs(t, err, want)
		assert.Regexp(t, `^chaim: listing profiles: [a-z]`, err)
		assert.Equal(t, 1, strings.Count(err.Error(), "chaim: "))
		assert.Nil(t, profiles)
		var out bytes.Buffer
		assert.ErrorIs(t, c.DisplayMyList(ctx, &out), want)
		assert.Empty(t, out.String())
	}
	check(ctx, full)
	require.NoError(t, os.Truncate(path, 1<<30))
	check(t.Context(), syscall.EFBIG)
	require.NoError(t, c.Close())
	check(t.Context(), chaim.ErrClosed)
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func BenchmarkMyAccountList(b *testing.B) {
	const n = 10_000
	var file strings.Builder
	for i := range n {
		fmt.Fprintf(&file, "[account-%d]\naws_access_key_id = ASIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"+
			"aws_session_token = %s\nexpires = 1767225600\nduration = 1\ngui_url = notset\nrole = rro\naccountname = sredev\nregion = eu-west-1\n\n",
			i, strings.Repeat("x", 356))
	}
	c, _ := clientOf(b, file.String())
	b.SetBytes(int64(file.Len()))
	b.ReportAllocs()
	for b.Loop() {
		profiles, err := c.MyAccountList(b.Context())
		require.NoError(b, err)
		require.Len(b, profiles, n)
	}
}

const storedID = "ASIAEXAMPLE000000001" // of keysText

// envelope returns a whole reply of a gateway with this text.
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
					assert.Empty(t, srv.Requests(), "there was no request")
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

// TestRefusedKeysAreNoFailedRenewal: the time of the next renewal stays.
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

// TestStoreKeysBesideARequest stores keys while a request to the gateway hangs, which may be refused later.
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

// profilesIn returns the names of the sections that have an accountname.
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

// TestRenewSectionOfAnotherScope: only a scope itself renews its profile.
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
			assert.Empty(t, srv.Requests(), "there was no request")
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
	c := clientFor(t, opts) // made before there is something to sweep
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
		assert.Empty(t, srv.Requests(), "there was no request")
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

// TestRenewManySectionsAtOnce: one client renews many sections that have only the necessary keys.
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

// TestDeleteAccountThatIsParkedToo removes the profile and its definition, but not the definition of another account.
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

// TestDeleteAccountThatIsOnlyParked removes the section in chaim-parked, even with cca's live keys, but no section of the
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

// TestNameWithABracket: readers disagree on the name of a section whose header goes on after its first bracket. The name in
// the list can be deleted, and the error of a renewal says what to do.
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

// dieInScope runs in a child process, which ends in a scope without deferred calls.
func dieInScope(form string) {
	opts := chaim.Options{
		Account: "sredev",
		Source:  credentials.NewStaticCredentialsProvider("ASIAEXAMPLE000000001", "CANARY-secret", "CANARY-token"),
	}
	if form == "Process" {
		opts.Form = chaim.Process
	}
	err := chaim.WithContext(context.Background(), opts, func(_ context.Context, c *chaim.Client) error {
		if form == "Panic" {
			go func() { panic(c.Creds()) }()
			select {}
		}
		if target := os.Getenv("CHAIM_TEST_LINK"); target != "" { // the link's new target
			if err := lead(os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), target); err != nil {
				return err
			}
			if _, err := c.RequestKeys(context.Background()); err != nil {
				return err
			}
		}
		os.Exit(7)
		return nil
	})
	panic(err)
}

func TestPanicTraceShowsNoSecret(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(t.TempDir(), "credentials"), "CHAIM_TEST_DIE=Panic", "GOTRACEBACK=system")
	out, err := cmd.CombinedOutput()
	require.EqualError(t, err, "exit status 2")
	assert.Contains(t, string(out), "panic: ")
	assert.Contains(t, string(out), "goroutine")
	assert.NotContains(t, string(out), "CANARY")
}

// scopeOfTheDead returns a credentials file with the profile of a scope whose process died.
func scopeOfTheDead(t *testing.T, form chaim.ProfileForm) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "credentials")
	write(t, path, userFile)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "AWS_SHARED_CREDENTIALS_FILE="+path, "CHAIM_TEST_DIE="+form.String())
	require.EqualError(t, cmd.Run(), "exit status 7")
	require.Contains(t, read(t, path), "[tempname]")
	return path
}

// scopeFiles lists the files in the folder "chaim".
func scopeFiles(t *testing.T, path string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(filepath.Dir(path), "chaim", "*"))
	require.NoError(t, err)
	return found
}

func TestSweepRemovesWhatTheDeadLeft(t *testing.T) {
	for form, files := range map[chaim.ProfileForm]int{chaim.Keys: 1, chaim.Process: 2} {
		t.Run(form.String(), func(t *testing.T) {
			path := scopeOfTheDead(t, form)
			dir := filepath.Dir(path)
			want := []chaim.Swept{{Path: path, Profile: "tempname"}}
			for _, temp := range []string{".chaim-tmp-credentials-1", filepath.Join("chaim", ".chaim-tmp-credentials-ABCDEFGHIJKLMNOPQRSTUVWXYZ.json-2")} {
				write(t, filepath.Join(dir, temp), "secret")
				want = append(want, chaim.Swept{Path: filepath.Join(dir, temp)})
			}
			for _, file := range scopeFiles(t, path) {
				if !strings.HasPrefix(filepath.Base(file), ".") {
					want = append(want, chaim.Swept{Path: file})
				}
			}
			require.Len(t, want, 3+files)

			swept, err := chaim.Sweep(t.Context(), dir)
			require.NoError(t, err)
			assert.ElementsMatch(t, want, swept)
			assert.Equal(t, userFile, read(t, path))
			assert.Empty(t, scopeFiles(t, path))
			assert.NoFileExists(t, filepath.Join(dir, ".chaim-tmp-credentials-1"))

			swept, err = chaim.Sweep(t.Context(), dir)
			assert.NoError(t, err)
			assert.Empty(t, swept)
		})
	}
}

func TestNewSweeps(t *testing.T) {
	opts := chaim.Options{
		Account: "sredev", TempName: "tempname", Dir: filepath.Dir(scopeOfTheDead(t, chaim.Keys)),
		Source: credentials.NewStaticCredentialsProvider("ASIAEXAMPLE000000002", "secret", "token"),
	}
	err := chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
		assert.Contains(t, read(t, credentialsFile(opts)), "ASIAEXAMPLE000000002", "the name is free again")
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, userFile, read(t, credentialsFile(opts)))
	assert.Empty(t, scopeFiles(t, credentialsFile(opts)))
}

func TestSweepLeavesTheLivingAlone(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	opts.Form = chaim.Process
	err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
		before := read(t, credentialsFile(opts))
		swept, err := chaim.Sweep(ctx, opts.Dir)
		assert.NoError(t, err)
		assert.Empty(t, swept)
		assert.Equal(t, before, read(t, credentialsFile(opts)))
		assert.Len(t, scopeFiles(t, credentialsFile(opts)), 2)

		other, err := chaim.New(opts)
		require.NoError(t, err)
		defer other.Close()
		assert.ErrorIs(t, other.DeleteAccount(ctx, c.Profile()), chaim.ErrInUse)
		return nil
	})
	require.NoError(t, err)
	assert.Empty(t, scopeFiles(t, credentialsFile(opts)))
}

func TestSweepLeavesWhatTheUserEdited(t *testing.T) {
	path := scopeOfTheDead(t, chaim.Keys)
	mine := strings.Replace(read(t, path), "ASIAEXAMPLE000000001", "AKIAIOSFODNN7EXAMPLE", 1)
	write(t, path, mine)
	swept, err := chaim.Sweep(t.Context(), filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, swept, 1, "the lease")
	assert.Equal(t, mine, read(t, path))
}

func TestSweepOfNothingTouchesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	swept, err := chaim.Sweep(t.Context(), dir)
	assert.NoError(t, err)
	assert.Empty(t, swept)
	assert.NoDirExists(t, dir)
}

// TestOverwrittenProfileIsRepaired also removes the files of the scope.
func TestOverwrittenProfileIsRepaired(t *testing.T) {
	for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
		t.Run(form.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				opts := optionsFor(t, srv)
				opts.Form = form
				err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
					before, files := read(t, credentialsFile(opts)), scopeFiles(t, credentialsFile(opts))
					<-time.After(1234 * time.Millisecond) // between two checks of the watcher
					write(t, credentialsFile(opts), "")
					for _, name := range files { // not the folder: its identity is part of the mark
						require.NoError(t, os.Remove(name))
					}
					<-time.After(time.Second)
					assert.Equal(t, before, read(t, credentialsFile(opts)))
					assert.Equal(t, files, scopeFiles(t, credentialsFile(opts)))

					// An old copy of the section still belongs to the scope.
					_, err := c.RequestKeys(ctx)
					require.NoError(t, err)
					renewed := read(t, credentialsFile(opts))
					write(t, credentialsFile(opts), before)
					<-time.After(time.Second)
					if form == chaim.Keys {
						assert.Equal(t, renewed, read(t, credentialsFile(opts)))
					}
					swept, err := chaim.Sweep(ctx, opts.Dir)
					assert.NoError(t, err)
					assert.Empty(t, swept)
					return nil
				})
				require.NoError(t, err)
				assert.Empty(t, read(t, credentialsFile(opts)))
				assert.Empty(t, scopeFiles(t, credentialsFile(opts)))
			})
		})
	}
}

// TestLeaseThatIsElsewhere: the credentials file moves while a scope lives, as with tools that manage links.
func TestLeaseThatIsElsewhere(t *testing.T) {
	opts := chaim.Options{
		Account: "sredev", Dir: t.TempDir(),
		Source: credentials.NewStaticCredentialsProvider("ASIAEXAMPLE000000001", "secret", "token"),
	}
	write(t, credentialsFile(opts), userFile)
	err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
		moved := filepath.Join(opts.Dir, "dotfiles", "credentials")
		require.NoError(t, os.Mkdir(filepath.Dir(moved), 0o700))
		require.NoError(t, os.Rename(credentialsFile(opts), moved))
		require.NoError(t, os.Symlink(moved, credentialsFile(opts)))
		before := read(t, moved)
		swept, err := chaim.Sweep(ctx, opts.Dir)
		assert.NoError(t, err)
		assert.Empty(t, swept)
		assert.Equal(t, before, read(t, moved))

		write(t, moved, strings.Replace(before, "chaim_scope", "expires = 1\nchaim_scope", 1))
		swept, err = chaim.Sweep(ctx, opts.Dir)
		assert.NoError(t, err)
		assert.Equal(t, []chaim.Swept{{Path: credentialsFile(opts), Profile: c.Profile()}}, swept, "keys that have expired")
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, userFile, read(t, credentialsFile(opts)))
}

// A profile that occurs twice cannot be removed before the user has corrected that. Until then its lease stays.
func TestLeaseStaysWithItsProfile(t *testing.T) {
	path := scopeOfTheDead(t, chaim.Keys)
	text := read(t, path)
	write(t, path, text+"\n[tempname]\nregion = x\n")
	swept, err := chaim.Sweep(t.Context(), filepath.Dir(path))
	assert.ErrorContains(t, err, "[tempname] stands twice")
	assert.Empty(t, swept)
	assert.Len(t, scopeFiles(t, path), 1)

	write(t, path, text)
	swept, err = chaim.Sweep(t.Context(), filepath.Dir(path))
	assert.NoError(t, err)
	assert.Len(t, swept, 2)
	assert.Equal(t, userFile, read(t, path))
}

// TestProfileWrittenBackAfterItsScope: another program reads the file before a scope ends, and writes it back after that.
func TestProfileWrittenBackAfterItsScope(t *testing.T) {
	for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
		opts := optionsFor(t, chaimtest.NewServer(t))
		opts.Form = form
		write(t, credentialsFile(opts), userFile)
		var during string
		err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
			during = read(t, credentialsFile(opts))
			return nil
		})
		require.NoError(t, err)
		write(t, credentialsFile(opts), during)
		c, err := chaim.New(opts)
		require.NoError(t, err)
		require.NoError(t, c.Close())
		assert.Equal(t, userFile, read(t, credentialsFile(opts)))
	}
}

// TestNoPlaceForLeases: there is a file in the place of the folder "chaim".
func TestNoPlaceForLeases(t *testing.T) {
	opts := chaim.Options{
		Account: "sredev", Dir: t.TempDir(),
		Source: credentials.NewStaticCredentialsProvider("ASIAEXAMPLE000000001", "secret", "token"),
	}
	write(t, credentialsFile(opts), userFile)
	write(t, filepath.Join(opts.Dir, "chaim"), "mine")
	c, err := chaim.New(opts)
	require.NoError(t, err)
	_, err = c.RequestKeys(t.Context())
	assert.ErrorContains(t, err, filepath.Join(opts.Dir, "chaim"))
	assert.NoError(t, c.Close())
	assert.Equal(t, userFile, read(t, credentialsFile(opts)))
	assert.Equal(t, "mine", read(t, filepath.Join(opts.Dir, "chaim")))
}

// TestFileThatGrew: another program makes the file larger than chaim would write it. The scope's end still removes the keys,
// and so does a sweep after its process died.
func TestFileThatGrew(t *testing.T) {
	grow := func(path string) (foreign string) {
		foreign = strings.Repeat("# "+strings.Repeat("x", 77)+"\n", 20<<20/80)
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.WriteString(foreign)
		require.NoError(t, errors.Join(err, f.Close()))
		return foreign
	}
	opts := optionsFor(t, chaimtest.NewServer(t))
	path := credentialsFile(opts)
	write(t, path, userFile)
	var foreign string
	require.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
		foreign = grow(path)
		return nil
	}))
	assert.True(t, strings.HasSuffix(read(t, path), foreign))
	assert.NotContains(t, read(t, path), "aws_session_token")

	path = scopeOfTheDead(t, chaim.Keys)
	foreign = grow(path)
	swept, err := chaim.Sweep(t.Context(), filepath.Dir(path))
	require.NoError(t, err)
	assert.NotEmpty(t, swept)
	assert.True(t, strings.HasSuffix(read(t, path), foreign))
	assert.NotContains(t, read(t, path), "aws_session_token")
}

// TestTwoFilesInOneFolder sweeps one file while scopes of the other begin and end.
func TestTwoFilesInOneFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "credentials"), userFile)
	work := filepath.Join(dir, "credentials-work")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", work)
	opts := chaim.Options{
		Account: "sredev", Form: chaim.Process,
		Source: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "ASIAEXAMPLE000000001", SecretAccessKey: "s", CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
		}),
	}
	ctx, stop := context.WithCancel(t.Context())
	var sweeper sync.WaitGroup
	sweeper.Go(func() {
		for ctx.Err() == nil {
			swept, err := chaim.Sweep(context.Background(), dir)
			assert.NoError(t, err)
			assert.Empty(t, swept)
		}
	})
	for range 50 {
		assert.NoError(t, chaim.WithContext(ctx, opts, func(context.Context, *chaim.Client) error {
			assert.Len(t, scopeFiles(t, work), 2)
			return nil
		}))
	}
	stop()
	sweeper.Wait()
	assert.Empty(t, read(t, work))
	assert.Empty(t, scopeFiles(t, work))
}

// TestFilesOfDeadScopeGoWithItsProfile deletes and parks a profile whose scope died after the client was made.
func TestFilesOfDeadScopeGoWithItsProfile(t *testing.T) {
	for name, take := range map[string]func(*chaim.Client, context.Context, string) error{
		"delete": (*chaim.Client).DeleteAccount, "park": (*chaim.Client).ParkAccount,
	} {
		c, path := clientOf(t, "")
		require.NoError(t, os.Remove(path))
		opts := optionsFor(t, chaimtest.NewServer(t))
		opts.Form = chaim.Process
		require.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
			return os.CopyFS(filepath.Dir(path), os.DirFS(opts.Dir)) // the copied lease is not locked
		}))
		files := func() []string {
			names, err := filepath.Glob(filepath.Join(filepath.Dir(path), "chaim", "*"))
			require.NoError(t, err)
			return names
		}
		require.Len(t, files(), 2, "a lease, and keys")
		require.NoError(t, take(c, t.Context(), "tempname"), name)
		assert.Empty(t, files(), name)
	}
}

// lead changes a link's target in one step, as programs do that switch between credentials files.
func lead(link, target string) error {
	next := link + ".next"
	if err := os.Symlink(target, next); err != nil {
		return err
	}
	return os.Rename(next, link)
}

// linked returns options for a credentials file that is a link, and two targets. The link leads to the first.
func linked(t *testing.T, inOneFolder bool) (opts chaim.Options, first, second string) {
	t.Helper()
	opts = optionsFor(t, chaimtest.NewServer(t))
	dir := t.TempDir()
	first, second = filepath.Join(dir, "one"), filepath.Join(dir, "two")
	if !inOneFolder {
		second = filepath.Join(t.TempDir(), "two")
	}
	write(t, first, "[one]\nregion = r\n")
	write(t, second, "[two]\nregion = r\n")
	require.NoError(t, lead(credentialsFile(opts), first))
	return opts, first, second
}

// TestLinkThatLeadsElsewhere: the link gets another target while a scope lives. The scope stays in the first file, where
// another program may sweep, and ends there.
func TestLinkThatLeadsElsewhere(t *testing.T) {
	for _, inOneFolder := range []bool{true, false} {
		for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
			t.Run(form.String(), func(t *testing.T) {
				opts, first, second := linked(t, inOneFolder)
				opts.Form = form
				before := [2]string{read(t, first), read(t, second)}
				require.NoError(t, chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
					require.NoError(t, lead(credentialsFile(opts), second))
					files := scopeFiles(t, first)
					_, err := c.RequestKeys(ctx)
					require.NoError(t, err)
					assert.Contains(t, c.Environ(), "AWS_SHARED_CREDENTIALS_FILE="+first)
					during := read(t, first)
					assert.Equal(t, form == chaim.Keys, strings.Contains(during, c.Creds().AccessKeyID))

					other := clientFor(t, opts) // sweeps
					for _, dir := range []string{opts.Dir, filepath.Dir(second)} {
						swept, err := chaim.Sweep(ctx, dir)
						require.NoError(t, err)
						assert.Empty(t, swept)
					}
					require.NoError(t, other.DeleteAccount(ctx, c.Profile()), "that is not there")
					assert.Equal(t, during, read(t, first))
					assert.ElementsMatch(t, files, scopeFiles(t, first))

					write(t, first, before[0]) // another program writes an old copy back
					isBack := func() bool {
						text, err := os.ReadFile(first)
						return err == nil && string(text) == during
					}
					require.Eventually(t, isBack, 10*time.Second, 20*time.Millisecond)
					assert.Equal(t, before[1], read(t, second))
					return nil
				}))
				assert.Equal(t, before, [2]string{read(t, first), read(t, second)})
				assert.Empty(t, scopeFiles(t, first))
				assert.Empty(t, scopeFiles(t, second))
			})
		}
	}
}

// TestLinkBeforeAndAfterAScope: a scope uses the link's target at its beginning. Deleting and parking the client's own profile
// happen in that file too.
func TestLinkBeforeAndAfterAScope(t *testing.T) {
	opts, first, second := linked(t, true)
	opts.TempName, opts.Keep, opts.NoRenew = "dev", true, true
	before := [2]string{read(t, first), read(t, second)}
	for name, end := range map[string]func(c *chaim.Client) error{
		"deleted": func(c *chaim.Client) error { return c.DeleteAccount(t.Context(), "dev") },
		"parked":  func(c *chaim.Client) error { return c.ParkAccount(t.Context(), "dev") },
	} {
		t.Run(name, func(t *testing.T) {
			c := clientFor(t, opts)
			require.NoError(t, lead(credentialsFile(opts), second))
			_, err := c.RequestKeys(t.Context())
			require.NoError(t, err)
			require.NoError(t, lead(credentialsFile(opts), first))
			assert.Contains(t, read(t, second), c.Creds().AccessKeyID)
			require.NoError(t, end(c))
			assert.Equal(t, before, [2]string{read(t, first), read(t, second)})
			assert.Equal(t, name == "parked", len(parkedAccounts(t, clientFor(t, opts))) == 1, "beside the link")
			require.NoError(t, os.RemoveAll(parkedFile(opts)))
		})
	}
}

// TestLinkAfterAKill: a scope's process dies after the link got another target. A sweep of the scope's file removes it.
func TestLinkAfterAKill(t *testing.T) {
	for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
		t.Run(form.String(), func(t *testing.T) {
			opts, first, second := linked(t, true)
			before := [2]string{read(t, first), read(t, second)}
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), "AWS_SHARED_CREDENTIALS_FILE="+credentialsFile(opts), "CHAIM_TEST_DIE="+form.String(), "CHAIM_TEST_LINK="+second)
			require.EqualError(t, cmd.Run(), "exit status 7")
			during := read(t, first)
			require.Contains(t, during, "[tempname]")

			swept, err := chaim.Sweep(t.Context(), opts.Dir)
			require.NoError(t, err)
			assert.Empty(t, swept)
			assert.Equal(t, [2]string{during, before[1]}, [2]string{read(t, first), read(t, second)})

			require.NoError(t, lead(credentialsFile(opts), first))
			swept, err = chaim.Sweep(t.Context(), opts.Dir)
			require.NoError(t, err)
			assert.Contains(t, swept, chaim.Swept{Path: credentialsFile(opts), Profile: "tempname"})
			assert.Equal(t, before, [2]string{read(t, first), read(t, second)})
			assert.Empty(t, scopeFiles(t, first))
		})
	}
}
