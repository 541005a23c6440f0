package issue_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/gateway/internal/ambient"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
	"github.com/chaim-go/chaim/internal/keys"
)

const fakeLink = "https://signin.aws.amazon.com/federation?SigninToken=CANARY"

// links is a fake Linker.
func links(err error) issue.Linker {
	return func(context.Context, string, aws.Credentials) (string, error) {
		if err != nil {
			return "", err
		}
		return fakeLink, nil
	}
}

func withLinks(l issue.Linker) func(*issue.Deps) { return func(d *issue.Deps) { d.Links = l } }

func TestLinkIsForKeysOfThisUserOnly(t *testing.T) {
	type test struct {
		prepare func(*world)
		user    string
		keys    func(*aws.Credentials)
		ask     issue.Ask
		code    issue.Code
		types   []audit.Type // after the issue
	}
	denied := []audit.Type{audit.ConsoleDenied}
	for name, tt := range map[string]test{
		"own keys":         {types: []audit.Type{audit.ConsoleAllowed}},
		"another's keys":   {user: "bob", code: issue.NotOurs},
		"unknown user":     {user: "eve", code: issue.NotOurs},
		"unknown keys":     {keys: func(c *aws.Credentials) { c.AccessKeyID = "ASIAOTHER0000000" }, code: issue.NotOurs},
		"no keys":          {keys: func(c *aws.Credentials) { *c = aws.Credentials{} }, code: issue.NotOurs},
		"no session token": {keys: func(c *aws.Credentials) { c.SessionToken = "" }, code: issue.NotOurs},
		"disabled user":    {prepare: func(w *world) { w.change(store.SetDisabled("ada", true)) }, code: issue.DisabledUser, types: denied},
		"freeze":           {prepare: func(w *world) { w.change(store.Freeze("x")) }, code: issue.IsFrozen, types: denied},
		"left the group":   {prepare: func(w *world) { w.change(store.RemoveMember("sre", "ada")) }, code: issue.NotAllowed, types: denied},
		"role is gone":     {prepare: func(w *world) { w.apply(2, strings.Replace(document, "CrossAccountReadOnly", "Other", 1)) }, code: issue.NotAllowed, types: denied},
		"no console":       {ask: issue.Ask{Account: "sredev", Role: "apu"}, code: issue.NotAllowed, types: denied},
		"withheld keys": {prepare: func(w *world) {
			row := w.only()
			w.change(store.Finish(row.ID, store.Issued, store.Withheld, row.Keys, ""))
		}, code: issue.NotOurs},
		"window ends soon": {prepare: func(w *world) {
			from := time.Now().Add(5 * time.Minute).UTC().Format(time.RFC3339)
			w.apply(2, document+"  - {id: later, on: {ids: [\"111111111111\"]}, from: "+from+"}\n")
		}, types: []audit.Type{audit.ConsoleAllowed}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, withLinks(links(nil)))
			if tt.ask.Account == "" {
				tt.ask.Account = "sredev"
			}
			grant, err := w.Keys(t.Context(), w.caller("ada"), tt.ask)
			require.NoError(t, err)
			if tt.prepare != nil {
				tt.prepare(w)
			}
			if tt.keys != nil {
				tt.keys(&grant.Keys)
			}
			if tt.user == "" {
				tt.user = "ada"
			}
			url, err := w.ConsoleURL(t.Context(), tt.user, grant.Keys, w.caller("ada"))
			assert.Equal(t, tt.types, append([]audit.Type(nil), w.types()[2:]...))
			if tt.code != "" {
				assert.Equal(t, tt.code, w.refused(err).Code)
				assert.Empty(t, url)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, fakeLink, url)
			e := w.events()[2]
			assert.Equal(t, []string{"111111111111", "rro", grant.Issue, grant.Keys.AccessKeyID}, []string{e.Account, e.Role, e.Issue, e.Details["key_id"]})
		})
	}
}

// TestStrangersWithAKeyIDFillNoLog asks with the id of keys, which is no secret, and without the keys.
func TestStrangersWithAKeyIDFillNoLog(t *testing.T) {
	var counted []issue.Code
	w := newWorld(t, withLinks(links(fmt.Errorf("AWS: %w", keys.ErrNoURL))), func(d *issue.Deps) {
		d.Hooks.AuthFailed = func(c issue.Code) { counted = append(counted, c) }
	})
	grant, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev"})
	require.NoError(t, err)
	before := w.types()
	guess := aws.Credentials{AccessKeyID: grant.Keys.AccessKeyID, SecretAccessKey: "CANARYguess", SessionToken: "CANARYguess"}
	texts := map[string]bool{}
	ask := func(user string) {
		_, err := w.ConsoleURL(t.Context(), user, guess, issue.Caller{})
		refused := w.refused(err)
		assert.Equal(t, issue.NotOurs, refused.Code)
		texts[refused.Text+refused.User] = true
	}
	for _, user := range []string{"ada", "bob", "eve"} {
		ask(user)
	}
	assert.Equal(t, before, w.types(), "no one has proven to be ada, so the log must not say that ada got a link")
	w.change(store.SetDisabled("ada", true))
	ask("ada")
	w.change(store.Freeze("an incident"))
	ask("ada")
	assert.Len(t, texts, 1, "a stranger does not learn whose keys they are, nor what has become of the user")
	assert.Len(t, counted, 5)
}

// TestLinkIsDecidedAgainAfterAWS freezes the gateway while AWS checks the keys.
func TestLinkIsDecidedAgainAfterAWS(t *testing.T) {
	var w *world
	w = newWorld(t, withLinks(func(context.Context, string, aws.Credentials) (string, error) {
		w.change(store.Freeze("drill"))
		return fakeLink, nil
	}))
	grant, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev"})
	require.NoError(t, err)
	url, err := w.ConsoleURL(t.Context(), "ada", grant.Keys, w.caller("ada"))
	assert.Equal(t, issue.IsFrozen, w.refused(err).Code)
	assert.Empty(t, url)
	e := w.events(audit.ConsoleDenied)
	require.Len(t, e, 1)
	assert.Equal(t, []string{"ada", "frozen"}, []string{e[0].Actor.Name, e[0].Details["reason"]})
}

func TestExpiredKeysHaveNoLink(t *testing.T) {
	url := storetest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOn(t, url, withLinks(links(nil)))
		grant, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev", Duration: 15 * time.Minute})
		require.NoError(t, err)
		time.Sleep(15 * time.Minute)
		_, err = w.ConsoleURL(t.Context(), "ada", grant.Keys, w.caller("ada"))
		assert.Equal(t, issue.NotOurs, w.refused(err).Code)
	})
}

func TestLinkFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		code issue.Code
	}{
		"AWS refuses":   {fmt.Errorf("it answered 400: %w", keys.ErrNoURL), issue.NotOurs},
		"AWS is away":   {errors.New("it closed the connection"), issue.Unavailable},
		"log is away":   {nil, issue.Unavailable},
		"gateway's own": {nil, issue.NotOurs},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(d *issue.Deps) {
				if name != "gateway's own" {
					d.Links = links(tt.err)
				}
			})
			grant, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev", WantsURL: true})
			require.NoError(t, err, "the lack of a link is never an error of keys")
			if name != "log is away" {
				assert.Empty(t, grant.URL)
			}
			w.journal.fail = func(int, store.Change) (bool, error) {
				if name == "log is away" {
					return false, errors.New("disk full")
				}
				return false, nil
			}
			_, err = w.ConsoleURL(t.Context(), "ada", grant.Keys, w.caller("ada"))
			assert.Equal(t, tt.code, w.refused(err).Code)
		})
	}
}

func TestKeysWithLink(t *testing.T) {
	w := newWorld(t, withLinks(links(nil)))
	grant, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev", WantsURL: true})
	require.NoError(t, err)
	assert.Equal(t, fakeLink, grant.URL)
	assert.Equal(t, "asked", w.events(audit.IssueAllowed)[0].Details["console"], "recorded before the link is made")
	grant, err = w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev", Role: "apu", WantsURL: true})
	require.NoError(t, err)
	assert.Empty(t, grant.URL, "the role has no console")
}

// TestAPanicOverALinkEndsNoOtherRequest: a server recovers from panics in its own goroutines only.
func TestAPanicOverALinkEndsNoOtherRequest(t *testing.T) {
	w := newWorld(t, withLinks(func(context.Context, string, aws.Credentials) (string, error) { panic("CANARY") }))
	grant, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev", WantsURL: true})
	require.NoError(t, err)
	assert.Equal(t, "CANARYsecret", grant.Keys.SecretAccessKey)
	assert.Empty(t, grant.URL)
	assert.Contains(t, w.log.String(), "panicked")
}

// TestSlowLinkDoesNotDelayKeys makes a link that never comes.
func TestSlowLinkDoesNotDelayKeys(t *testing.T) {
	url := storetest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOn(t, url, withLinks(func(ctx context.Context, _ string, _ aws.Credentials) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}))
		start := time.Now()
		grant, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev", WantsURL: true})
		require.NoError(t, err)
		assert.Equal(t, 2*time.Second, time.Since(start))
		assert.Equal(t, "CANARYsecret", grant.Keys.SecretAccessKey)
		assert.Empty(t, grant.URL)

		w.journal.fail = func(n int, _ store.Change) (bool, error) {
			return false, map[bool]error{true: errors.New("disk full")}[n > 3]
		}
		start = time.Now()
		_, err = w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev", WantsURL: true})
		w.refused(err)
		assert.Zero(t, time.Since(start), "keys that are withheld wait for no link")
	})
}

// TestWithTheDoubleOfAWS uses the real parts for STS and the sign-in page.
func TestWithTheDoubleOfAWS(t *testing.T) {
	srv := chaimtest.NewServer(t)
	srv.AddAccount("999999999999", "gateway", "Gateway")
	user := srv.AddKeys("999999999999", "gateway")
	var log lockedBuffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	assumer := func(own aws.Credentials) *ambient.Assumer {
		a, err := ambient.New(t.Context(), ambient.Options{
			Regions: []string{"eu-west-1"}, HTTPClient: srv.HTTPClient(), Log: logger,
			Credentials: credentials.StaticCredentialsProvider{Value: own},
		})
		require.NoError(t, err)
		_, err = a.Identify(t.Context())
		require.NoError(t, err)
		return a
	}
	role, err := assumer(user).Assume(t.Context(), issue.Session{
		RoleARN: "arn:aws:iam::999999999999:role/Gateway", SourceIdentity: "i-0abc", User: "x", Issue: "y", Lifetime: time.Hour,
	})
	require.NoError(t, err)
	for name, own := range map[string]aws.Credentials{"user": user, "role": role.Keys} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, withLinks(issue.FederationLinks(srv.HTTPClient(), logger)), func(d *issue.Deps) { d.STS = assumer(own) })
			grant, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev", Duration: 2 * time.Hour, WantsURL: true})
			require.NoError(t, err)
			assert.Contains(t, grant.URL, "https://signin.aws.amazon.com/federation?")
			assert.Equal(t, name == "role", w.only().Keys.Chained)
			url, err := w.ConsoleURL(t.Context(), "ada", grant.Keys, w.caller("ada"))
			require.NoError(t, err)
			assert.Contains(t, url, "SigninToken=CANARY")
			var sent map[string]string
			for _, r := range srv.Requests() {
				switch r.Action {
				case "GetSigninToken":
					assert.Zero(t, r.Duration, "AWS refuses SessionDuration for chained keys")
				case "AssumeRole":
					sent = r.Parameters
				}
			}
			assert.Equal(t, grant.Issue, sent["Tags.member.2.Value"])
			assert.Equal(t, "ada@example", sent["RoleSessionName"])

			forged := grant.Keys
			forged.SecretAccessKey = "CANARYwrong"
			_, err = w.ConsoleURL(t.Context(), "ada", forged, w.caller("ada"))
			assert.Equal(t, issue.NotOurs, w.refused(err).Code, "only AWS can check the secret of keys")

			srv.Inject(1, chaimtest.Refuse("User is not authorized to perform: sts:TagSession"))
			_, err = w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev", Role: "apu"})
			r := w.refused(err)
			assert.Equal(t, issue.RefusedBySTS, r.Code)
			assert.Contains(t, r.Text, "role arn:aws:iam::111111111111:role/team/CrossAccountAdminUser does not allow sts:TagSession")
		})
	}
	assert.NotContains(t, log.String(), "CANARY")
}

func TestConsoleMakesKeysForALinkOnly(t *testing.T) {
	w := newWorld(t, withLinks(links(nil)))
	url, id, err := w.Console(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev", Duration: time.Hour})
	require.NoError(t, err)
	assert.Equal(t, fakeLink, url)
	assert.Equal(t, []audit.Type{audit.IssueAllowed, audit.IssueIssued, audit.ConsoleAllowed}, w.types())
	row := w.only()
	assert.Equal(t, row.ID, id)
	link := w.events(audit.ConsoleAllowed)[0]
	assert.Equal(t, w.tokens["ada"].row.ID, link.Actor.Token)
	assert.Equal(t, row.ID, link.Issue)
	assert.Equal(t, "asked", w.events(audit.IssueAllowed)[0].Details["console"])
}

func TestConsoleIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		linker issue.Linker
		ask    issue.Ask
		sts    func(context.Context, issue.Session) (issue.Lent, error)
		code   issue.Code
		types  []audit.Type
	}{
		"no links are made": {ask: issue.Ask{Account: "sredev"}, code: issue.NotOurs},
		"role without a console, for which no keys are made": {
			linker: links(nil), ask: issue.Ask{Account: "sredev", Role: "apu"}, code: issue.NotAllowed, types: []audit.Type{audit.IssueDenied},
		},
		"AWS makes no link": {
			linker: links(keys.ErrNoURL), ask: issue.Ask{Account: "sredev"}, code: issue.Unavailable,
			types: []audit.Type{audit.IssueAllowed, audit.IssueIssued},
		},
		"STS makes no keys": {
			linker: links(nil), ask: issue.Ask{Account: "sredev"}, code: issue.RefusedBySTS, types: []audit.Type{audit.IssueAllowed, audit.IssueFailed},
			sts: func(context.Context, issue.Session) (issue.Lent, error) {
				return issue.Lent{}, &issue.STSError{Cause: issue.NotTrusted, Text: "no"}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, withLinks(tt.linker))
			w.sts.answer = tt.sts
			url, id, err := w.Console(t.Context(), w.caller("ada"), tt.ask)
			assert.Equal(t, tt.code, w.refused(err).Code)
			assert.Empty(t, url+id)
			assert.Equal(t, tt.types, w.types())
		})
	}
}

func TestNoLinkAfterTheUserLostTheRoleMeanwhile(t *testing.T) {
	var w *world
	w = newWorld(t, withLinks(func(context.Context, string, aws.Credentials) (string, error) {
		w.change(store.RemoveMember("sre", "ada"))
		return fakeLink, nil
	}))
	url, _, err := w.Console(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev"})
	assert.Equal(t, issue.NotAllowed, w.refused(err).Code)
	assert.Empty(t, url)
	assert.Equal(t, []audit.Type{audit.ConsoleDenied}, w.types()[2:])
}
