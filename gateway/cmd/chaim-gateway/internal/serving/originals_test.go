package serving

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/people"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

// clients are the clients of a gateway that serves https, as the originals need it.
type clients struct {
	*world
	http *http.Client
}

// person is a user as the clients know one: by the pairs of the init string for cca, and by the settings for our client.
type person struct {
	pairs    map[string]string
	settings chaim.Settings
}

// withClients runs a gateway with the policy of the originals, and the user bob besides ann.
func withClients(t *testing.T, database string) *clients {
	t.Helper()
	stranger := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	t.Cleanup(stranger.Close)
	cert := stranger.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(t, err)
	dir := t.TempDir()
	save := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	w, g := serving(t, database, func(c *config.Config) {
		c.Server.TLSCert, c.Server.TLSKey = save("tls.crt", "CERTIFICATE", cert.Certificate[0]), save("tls.key", "PRIVATE KEY", key)
	})
	w.config.Server.URL = &url.URL{Scheme: "https", Host: g.Addr().String()}
	doc, err := os.ReadFile(filepath.Join("testdata", "originals", "policy.yaml"))
	require.NoError(t, err)
	w.applyRaw(t, string(doc))
	for _, account := range torture {
		w.aws.AddAccount(account.id, account.id)
	}
	require.NoError(t, w.session.Change(t.Context(), func(v *store.View) (store.Change, error) {
		return people.NewUser(w.session, v, "bob", nil)
	}))
	run(t, g)
	return &clients{world: w, http: stranger.Client()}
}

// person gives a user a token, and reads the init string as the two clients do.
func (c *clients) person(t *testing.T, user string, lifetime time.Duration) person {
	t.Helper()
	made, err := people.NewToken(t.Context(), c.session, user, "", lifetime)
	require.NoError(t, err)
	settings, err := chaim.ParseInit(made.InitString)
	require.NoError(t, err)
	require.Equal(t, "v1", settings.Protocol)
	settings.Protocol = "" // the form endpoints are tested here
	text, err := base64.URLEncoding.DecodeString(made.InitString)
	require.NoError(t, err)
	p := person{pairs: map[string]string{"slackid": "U1", "workspaceid": "T1"}, settings: settings}
	for pair := range strings.SplitSeq(string(text), "&") {
		parts := strings.Split(pair, "=") // no decoding, and what follows a second "=" is lost
		p.pairs[parts[0]] = parts[1]
	}
	return p
}

// reply is what an original client reads.
type reply struct {
	StatusCode, Text string
	items            map[string]any // of a good answer
}

// item returns a text of a good answer.
func (r reply) item(name string) string {
	text, _ := r.items[name].(string)
	return text
}

// send sends a request of an original client. more are values for the form besides those of the init string.
func (c *clients) send(t *testing.T, form string, p person, more map[string]string) (r reply) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "originals", form))
	require.NoError(t, err)
	value := func(name string) string {
		if v, isThere := more[name]; isThere {
			return v
		}
		return p.pairs[name]
	}
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")), "\n")
	values := url.Values{}
	for _, line := range lines[1:] {
		field, v, _ := strings.Cut(line, "=")
		values.Set(field, os.Expand(v, value))
	}
	resp, err := c.http.PostForm(os.Expand(strings.TrimPrefix(lines[0], "POST "), value), values)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&r))
	if r.StatusCode == "200" {
		require.NoError(t, json.Unmarshal([]byte(strings.ReplaceAll(r.Text, "'", `"`)), &r.items))
	}
	return r
}

// torture are the accounts that ann may use. Those without a byName are asked for by id by the originals.
var torture = []struct {
	id, name string
	byName   bool
}{
	{"111111111111", "sredev", true},
	{"222222222222", "Connected Homes", true},
	{"333333333333", "O'Brien", true},
	{"444444444444", `"quoted" \ back`, true},
	{"555555555555", "Zoë – Ünïcode", true},
	{"666666666666", "Acme, Inc", false},
	{"777777777777", "list", false},
	{"888888888888", "Twin", false},
	{"888888888889", "Twin", false},
}

// lending is a request for keys, and what comes of it.
type lending struct {
	text              string
	id, account, role string
	lifetime          time.Duration
}

func lendings() (all []lending) {
	const reader, power = "CrossAccountReadOnly", "CrossAccountPowerUser"
	for _, a := range torture {
		all = append(all, lending{a.id + ",mpu,4", a.id, a.name, power, 4 * time.Hour})
		if a.byName {
			all = append(all, lending{a.name + ",mpu,4", a.id, a.name, power, 4 * time.Hour})
		}
	}
	for hours := range 12 {
		all = append(all, lending{fmt.Sprintf("sredev,rro,%d", hours+1), "111111111111", "sredev", reader, time.Duration(hours+1) * time.Hour})
	}
	return append(all,
		lending{"sredev,rro,900", "111111111111", "sredev", reader, 15 * time.Minute},
		lending{"sredev,rro", "111111111111", "sredev", reader, 15 * time.Minute},
		lending{"sredev", "111111111111", "sredev", reader, 15 * time.Minute},
		lending{"Connected Homes,4,mpu", "222222222222", "Connected Homes", power, 4 * time.Hour},
		lending{"sredev,CrossAccountPowerUser,5000", "111111111111", "sredev", power, 5000 * time.Second},
	)
}

// requireLent asks AWS whose session the keys belong to, and compares the last request for keys with what was asked for.
func (c *clients) requireLent(t *testing.T, want lending, keys aws.Credentials) {
	t.Helper()
	asked := c.aws.Requests()
	for asked[len(asked)-1].Action != "AssumeRole" {
		asked = asked[:len(asked)-1]
	}
	last := asked[len(asked)-1]
	require.Equal(t, want.lifetime, last.Duration)
	require.WithinDuration(t, last.Time.Add(want.lifetime), keys.Expires, 2*time.Second)
	client := sts.New(sts.Options{
		Region: "eu-west-1", HTTPClient: c.aws.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken),
	})
	who, err := client.GetCallerIdentity(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::"+want.id+":assumed-role/"+want.role+"/ann", *who.Arn)
}

func TestAllClientsAreAnsweredAsByTheOriginal(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		c := withClients(t, database)
		ann := c.person(t, "ann", time.Hour)
		for _, form := range []string{"cca-keys.txt", "module-keys.txt"} {
			t.Run(form, func(t *testing.T) { c.lendToOriginals(t, form, ann) })
		}
		t.Run("keys for our client", func(t *testing.T) { c.lendToOurs(t, ann, "Account not found: Twin is not unique, use its id") })
		t.Run("keys for our client by the JSON API", func(t *testing.T) {
			ann := ann
			ann.settings.Protocol = "v1"
			c.lendToOurs(t, ann, `several accounts have the name "Twin": use an id`)
		})
		t.Run("the list", func(t *testing.T) { c.list(t, ann) })
		t.Run("console links", func(t *testing.T) { c.link(t, ann) })
		t.Run("refusals", func(t *testing.T) { c.refuse(t, ann) })
		assert.NotContains(t, c.log.String(), "CANARY")
		assert.NotContains(t, c.log.String(), ann.settings.UserToken)
	})
}

// lendToOriginals asks for keys as one of the originals does.
func (c *clients) lendToOriginals(t *testing.T, form string, ann person) {
	for _, want := range lendings() {
		got := c.send(t, form, ann, map[string]string{"text": want.text})
		require.Equal(t, "200", got.StatusCode, "%s: %s", want.text, got.Text)
		require.Equal(t, []string{want.id, want.account}, []string{got.item("accountid"), got.item("sectionname")}, want.text)
		hasLink := strings.HasPrefix(got.item("url"), "https://signin.aws.amazon.com/federation?Action=login&")
		require.Equal(t, want.role == "CrossAccountReadOnly", hasLink, "only that role has a console")
		expires, _ := got.items["expires"].(float64)
		c.requireLent(t, want, aws.Credentials{
			AccessKeyID: got.item("accesskeyid"), SecretAccessKey: got.item("secretkey"), SessionToken: got.item("sessiontoken"),
			Expires: time.Unix(int64(expires), 0),
		})
	}
}

// lendToOurs asks for keys, by name where there is one account of that name, and puts them into a credentials file.
func (c *clients) lendToOurs(t *testing.T, ann person, ambiguous string) {
	dir := t.TempDir()
	for i, a := range torture {
		lifetime := time.Duration(i+1) * time.Hour
		options := chaim.Options{Account: a.name, Role: "mpu", Duration: lifetime, Settings: &ann.settings, Dir: dir, HTTPClient: c.http}
		if a.name == "Twin" {
			require.ErrorContains(t, chaim.WithContext(t.Context(), options, noCall(t)), ambiguous)
			options.Account = a.id
		}
		require.NoError(t, chaim.WithContext(t.Context(), options, func(_ context.Context, lent *chaim.Client) error {
			text, err := os.ReadFile(filepath.Join(dir, "credentials"))
			assert.NoError(t, err)
			keys := lent.Creds()
			assert.Contains(t, string(text), keys.AccessKeyID)
			assert.Equal(t, a.id, keys.AccountID)
			c.requireLent(t, lending{"", a.id, a.name, "CrossAccountPowerUser", lifetime}, aws.Credentials{
				AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey, SessionToken: keys.SessionToken, Expires: keys.Expires,
			})
			return nil
		}), a.name)
	}
}

// list compares the lists of ann and bob with what each may use.
func (c *clients) list(t *testing.T, ann person) {
	want := []any{}
	for _, a := range torture {
		want = append(want, []any{a.id, a.name})
	}
	byName := func(a, b any) int { return strings.Compare(a.([]any)[1].(string), b.([]any)[1].(string)) }
	slices.SortStableFunc(want, byName)
	list := c.send(t, "cca-list.txt", ann, nil)
	assert.Equal(t, want, list.items["accountlist"])
	want = append(want, []any{"999999999998", "Payroll"}) // which bob alone may use
	slices.SortStableFunc(want, byName)
	list = c.send(t, "cca-list.txt", c.person(t, "bob", time.Hour), nil)
	assert.Equal(t, want, list.items["accountlist"])
	ours, err := (&chaim.Gateway{Settings: ann.settings, HTTPClient: c.http}).Accounts(t.Context())
	require.NoError(t, err)
	require.Len(t, ours, len(torture))
	for _, a := range torture {
		assert.Contains(t, ours, chaim.Account{ID: a.id, Name: a.name})
	}
}

// link asks for links for the keys of ann, and of others.
func (c *clients) link(t *testing.T, ann person) {
	const notOurs = "UrlGenerationFail: this gateway did not issue these keys to this user, or they have expired or are not complete"
	bob := c.person(t, "bob", time.Hour)
	ours := &chaim.Gateway{Settings: ann.settings, HTTPClient: c.http}
	for _, a := range torture {
		keys, err := ours.Keys(t.Context(), chaim.Request{Account: a.id, Role: "rro", Region: "eu-west-1", Duration: time.Hour})
		require.NoError(t, err)
		form := map[string]string{
			"accesskeyid": keys.AccessKeyID, "secretkey": keys.SecretAccessKey, "sessiontoken": keys.SessionToken, "sectionname": a.name,
		}
		link := c.send(t, "cca-gui.txt", ann, form)
		assert.True(t, strings.HasPrefix(link.item("url"), "https://signin.aws.amazon.com/federation?Action=login&"), a.name)
		text, err := ours.ConsoleURL(t.Context(), keys)
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(text, "https://signin.aws.amazon.com/federation?Action=login&"), a.name)
		if a.id != torture[0].id { // the refused keys and tokens of this test are 10, as many as an address may send at once
			continue
		}
		assert.Equal(t, reply{StatusCode: "400", Text: "start cli gui error: " + notOurs}, c.send(t, "cca-gui.txt", bob, form))
		foreign := c.aws.AddKeys(a.id, "ann")
		form["accesskeyid"], form["secretkey"] = foreign.AccessKeyID, foreign.SecretAccessKey
		assert.Equal(t, "start cli gui error: "+notOurs, c.send(t, "cca-gui.txt", ann, form).Text)
	}
}

// noCall is for requests that are refused.
func noCall(t *testing.T) func(context.Context, *chaim.Client) error {
	return func(context.Context, *chaim.Client) error {
		assert.Fail(t, "keys were lent")
		return nil
	}
}

// refuse asks for what is refused, and compares the words with the original's.
func (c *clients) refuse(t *testing.T, ann person) {
	const doStart, building = "doStart: Error ", "doStart: Error CredentialsGenerationFail: buildCredentials error: "
	bob := c.person(t, "bob", time.Hour)
	disabled, expired, wrong := c.person(t, "bob", time.Hour), c.person(t, "ann", -time.Second), c.person(t, "ann", time.Hour)
	wrong.pairs["usertoken"] = ann.pairs["usertoken"][:len(ann.pairs["usertoken"])-4] + "AAAA"
	wrong.settings.UserToken = wrong.pairs["usertoken"]
	other := c.person(t, "ann", time.Hour)
	other.pairs["username"], other.settings.Username = "bob", "bob"
	check := func(p person, account, role, want string) {
		t.Helper()
		for _, form := range []string{"cca-keys.txt", "module-keys.txt"} {
			got := c.send(t, form, p, map[string]string{"text": account + "," + role + ",1"})
			assert.Equal(t, []string{"400", want}, []string{got.StatusCode, got.Text})
		}
		_, err := (&chaim.Gateway{Settings: p.settings, HTTPClient: c.http}).Keys(t.Context(),
			chaim.Request{Account: account, Role: role, Region: "eu-west-1", Duration: time.Hour})
		var refusal *chaim.GatewayError
		require.ErrorAs(t, err, &refusal)
		assert.Equal(t, 400, refusal.StatusCode)
		assert.True(t, strings.HasSuffix(want, " "+refusal.Kind+": "+refusal.Message), refusal.Error())
		assert.True(t, refusal.Final, refusal.Error())
	}
	for _, tt := range []struct {
		who                 person
		account, role, want string
	}{
		{wrong, "sredev", "rro", building + "IncorrectCredentials: Invalid token"},
		{other, "sredev", "rro", building + "IncorrectCredentials: Invalid token"},
		{expired, "sredev", "rro", building + "IncorrectCredentials: usertoken has expired"},
		{ann, "nowhere", "rro", building + "DataNotFound: Account not found: nowhere"},
		{ann, "000000000000", "rro", building + "DataNotFound: Account not found: 000000000000"},
		{ann, "Payroll", "rro", building + "DataNotFound: Account not found: Payroll"},
		{ann, "Twin", "rro", building + "DataNotFound: Account not found: Twin is not unique, use its id"},
		{ann, "sredev", "xyz", doStart + "DataNotFound: Role not recognised: xyz"},
		{ann, "sredev", "apu", building + "DataNotFound: Permission not granted to ann in sredev for apu"},
		{bob, "sredev", "mpu", building + "DataNotFound: Permission not granted to bob in sredev for mpu (holidays)"},
	} {
		check(tt.who, tt.account, tt.role, tt.want)
	}
	c.change(t, audit.GatewayFrozen, store.Freeze("drill"))
	check(ann, "sredev", "rro", building+"IssuingStopped: an operator has stopped all issuing: drill")
	c.change(t, audit.GatewayThawed, store.Thaw())
	c.change(t, audit.UserDisabled, store.SetDisabled("bob", true), store.RevokeTokensOf("bob", time.Now()))
	check(disabled, "sredev", "rro", building+"IncorrectCredentials: bob is not an active user.")

	for want, p := range map[string]person{"Invalid token": wrong, "usertoken has expired": expired, "bob is not an active user.": disabled} {
		assert.Equal(t, building+"IncorrectCredentials: "+want, c.send(t, "cca-list.txt", p, nil).Text, "the list")
		_, err := (&chaim.Gateway{Settings: p.settings, HTTPClient: c.http}).Accounts(t.Context())
		assert.ErrorIs(t, err, chaim.ErrDenied)
		assert.ErrorContains(t, err, want)
	}
}
