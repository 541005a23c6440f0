package chaim_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// clientOf returns a client without a gateway, and its credentials file of that text.
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

// waitUntil makes a time exact: an edit of the file takes some of a bubble's time.
func waitUntil(at time.Time) { <-time.After(time.Until(at)) }

// waitForNoon waits until it is noon in the local time zone on the second day of a bubble, so that the hours after it are
// of the same day.
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
			return os.CopyFS(filepath.Dir(path), os.DirFS(opts.Dir)) // of the copied lease nobody has the lock
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

// TestListWithExpiresOfAnotherTool has other tools write what chaim writes as Unix seconds, hours or seconds.
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
			// That many seconds are 20 minutes modulo 2^64 nanoseconds.
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
		process + "aws_access_key_id = ASIAIOSFODNN7EXAMPLE\n": chaim.Keys, // which SDKs prefer
		"credential_process = vault\n":                         chaim.Keys, // not one of chaim's
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

// snapshot is all that is in a folder, with when it was written.
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

// TestDisplayOfHostileFile has a file try to write to the terminal, to forge lines and to flood it.
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
