package chaimtest_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

// askOriginal sends a text with the default user's Slack ids. change, if it is not nil, changes the form.
func askOriginal(t *testing.T, srv *chaimtest.Server, text string, change func(url.Values)) string {
	t.Helper()
	form := askForm(srv, text)
	s := srv.Settings()
	form.Set("user_id", s.SlackID)
	form.Set("team_id", s.WorkspaceID)
	if change != nil {
		change(form)
	}
	status, body, _, err := post(t.Context(), srv, "/prod/", form)
	require.NoError(t, err)
	require.Equal(t, 200, status)
	return body
}

func newOriginal(t *testing.T, o chaimtest.Original) *chaimtest.Server {
	srv := chaimtest.NewServer(t)
	srv.SetOriginal(o)
	return srv
}

func TestOriginalAsk(t *testing.T) {
	srv := newOriginal(t, chaimtest.Original{})
	for _, tt := range []struct {
		text, role string
		want       time.Duration
	}{
		{"Connected Homes,mpu,4", "CrossAccountReadOnly", 15 * time.Minute},
		{" Connected Homes ,mpu", "CrossAccountReadOnly", 15 * time.Minute},
		{"222222222222,mpu,4", "CrossAccountPowerUser", 4 * time.Hour},
		{" 222222222222 , mpu , 4 ", "CrossAccountPowerUser", 4 * time.Hour},
		{"333333333333,apu,12", "CrossAccountAdminUser", 12 * time.Hour},
		{"sredev", "CrossAccountReadOnly", 15 * time.Minute},
		{"SREdev,spu", "CrossAccountSysAdmin", 15 * time.Minute},
		{"sredev,4,mpu", "CrossAccountPowerUser", 4 * time.Hour},
		{"sredev,CrossAccountPowerUser,901", "CrossAccountPowerUser", 901 * time.Second},
		{"sredev,crossaccountpoweruser,43199", "CrossAccountPowerUser", 43199 * time.Second},
		{"sredev,mpu,13", "CrossAccountPowerUser", 15 * time.Minute},
		{"sredev,mpu,0", "CrossAccountPowerUser", 15 * time.Minute},
		{"sredev,mpu,50000", "CrossAccountPowerUser", 12 * time.Hour},
	} {
		t.Run(tt.text, func(t *testing.T) {
			f := fields(askOriginal(t, srv, tt.text, nil))
			requireUnix(t, time.Now().Add(tt.want), f["expires"])
			require.Equal(t, tt.want, last(t, srv).Duration)
			require.Equal(t, "Keys", last(t, srv).Action)
			arn, err := whoami(t, srv, aws.Credentials{
				AccessKeyID: f["accesskeyid"], SecretAccessKey: f["secretkey"], SessionToken: f["sessiontoken"],
			})
			require.NoError(t, err)
			require.Contains(t, arn, ":assumed-role/"+tt.role+"/")
		})
	}
	require.Contains(t, askOriginal(t, srv, "333333333333,rro,1", nil), `'sectionname': \"O'Brien\"`, "an id gets the name")
	require.Equal(t, "SREDEV", fields(askOriginal(t, srv, "SREDEV,rro,1", nil))["sectionname"], "a name is said as it was asked")
}

func TestOriginalRefusals(t *testing.T) {
	const built = "doStart: Error CredentialsGenerationFail: buildCredentials error: "
	srv := newOriginal(t, chaimtest.Original{MaxDuration: 4 * time.Hour})
	srv.AddAccount("444444444444", "narrow", "OnlyThis")
	srv.AddAccount("555555555555", "list")
	srv.AddAccount("666666666666", "count")
	srv.AddAccount("777777777777", "1e3")
	srv.AddUser("late", "token-late")
	srv.LinkSlack("late", "W", "L")
	srv.ExpireUser("late")
	srv.AddUser("gone", "token-gone")
	srv.LinkSlack("gone", "W", "G")
	srv.DisableUser("gone")
	srv.Deny("", "sredev", "apu")
	as := func(id, token string) func(url.Values) {
		return func(form url.Values) {
			form.Set("team_id", "W")
			form.Set("user_id", id)
			form.Set("token", token)
		}
	}
	for _, tt := range []struct {
		text   string
		change func(url.Values)
		want   string
	}{
		{"sredev,rro,1", func(f url.Values) { f.Set("token", "wrong") }, built + "IncorrectCredentials: Invalid token"},
		{"sredev,rro,1", func(f url.Values) { f.Del("team_id") }, "doStart: Error DataNotFound: Failed to obtain username from workspace and slack ids"},
		{"sredev,rro,1", func(f url.Values) { f.Set("user_id", "") }, "doStart: Error DataNotFound: Failed to obtain username from workspace and slack ids"},
		{"sredev,rro,1", as("L", "token-late"), built + "IncorrectCredentials: usertoken has expired"},
		{"sredev,rro,1", as("G", "token-gone"), built + "IncorrectCredentials: gone is not an active user."},
		{"sredev,rro,1", as("X", "token-gone"), "doStart: Error DataNotFound: Failed to obtain username from workspace and slack ids"},
		{"nowhere,rro,1", nil, built + "DataNotFound: Account not found: nowhere"},
		{"000000000000,rro,1", nil, built + "DataNotFound: Permission not granted to test.user in 000000000000 for CrossAccountReadOnly"},
		{"1e3,rro,1", nil, built + "DataNotFound: Permission not granted to test.user in 1e3 for CrossAccountReadOnly"},
		{"111111111111,apu,1", nil, built + "DataNotFound: Permission not granted to test.user in 111111111111 for CrossAccountAdminUser"},
		{"sredev,xyz,1", nil, "doStart: Error DataNotFound: Role not recognised: xyz"},
		{"sredev,king,1", nil, built + "DataNotFound: Role not found: king"},
		{"sredev,4", nil, built + "DataNotFound: Role not found: 4"},
		{"sredev,arn:aws:iam::111111111111:role/CrossAccountReadOnly,1", nil, built + "DataNotFound: Role not found: arn:aws:iam::111111111111:role/CrossAccountReadOnly"},
		{"narrow,rro,1", nil, built + "DataNotFound: failed to generate access keys for user test.user for account narrow at role CrossAccountReadOnly"},
		{"sredev,rro,8", nil, built + "DataNotFound: failed to generate access keys for user test.user for account sredev at role CrossAccountReadOnly"},
		{"sredev,rro,soon", nil, "doStart: Error BadCommandStr: Failed to parse command"},
		{"", nil, "doStart: Error AttributeError: 'NoneType' object has no attribute 'split'"},
		{"count,rro,1", nil, built + "KeyError: 'accountname'"},
		{"-h", nil, built + "KeyError: 'accountname'"},
		{"whoskey ASIA,rro,1", nil, built + "KeyError: 'accountname'"},
		{"O'Brien,rro,1", nil, built + `ProgrammingError: (1064, "You have an error in your SQL syntax near 'Brien' limit 1' at line 1")`},
		{"666666666666,rro,1", nil, ""},
		{"sredev,rro,4", nil, ""},
	} {
		t.Run(tt.text, func(t *testing.T) {
			body := askOriginal(t, srv, tt.text, tt.change)
			require.Equal(t, tt.want, last(t, srv).Error)
			if tt.want == "" {
				require.Contains(t, body, `"statusCode":"200"`)
				return
			}
			require.Contains(t, body, `"statusCode":"400"`)
		})
	}
}

func TestOriginalFindsUserByName(t *testing.T) {
	srv := newOriginal(t, chaimtest.Original{ByUserName: true})
	withoutIDs := func(f url.Values) { f.Del("user_id"); f.Del("team_id") }
	require.Contains(t, askOriginal(t, srv, "sredev,rro,1", withoutIDs), `"statusCode":"200"`)
	askOriginal(t, srv, "sredev,rro,1", func(f url.Values) { f.Set("user_name", "nobody") })
	require.Contains(t, last(t, srv).Error, `DataNotFound: User not found in Cognito DB: /nobody\`)
}

func TestOriginalList(t *testing.T) {
	srv := newOriginal(t, chaimtest.Original{})
	srv.AddAccount("444444444444", "sredev") // a second one of that name
	anybody := func(f url.Values) {
		for _, name := range []string{"user_id", "team_id", "user_name", "token"} {
			f.Del(name)
		}
	}
	const want = `{'accountlist': [('222222222222', 'Connected Homes'), ('333333333333', \"O'Brien\"), ('111111111111', 'sredev'), ('444444444444', 'sredev')]}`
	for _, text := range []string{"--list", "list", "-l", "list,rro,1"} {
		assert.Contains(t, askOriginal(t, srv, text, anybody), `"text":"`+want+`"`, text)
		assert.Equal(t, "List", last(t, srv).Action, text)
	}
	require.Equal(t, "111111111111", fields(askOriginal(t, srv, "sredev,rro,1", nil))["accountid"], "it takes one of the two")

	srv.SetOriginal(chaimtest.Original{Columns: []string{"active"}})
	assert.Contains(t, askOriginal(t, srv, "--list", nil), `('111111111111', 'sredev', 'active')`)
}

func TestOriginalConsoleLink(t *testing.T) {
	srv := newOriginal(t, chaimtest.Original{})
	form := url.Values{
		"accesskey": {"any"}, "secret": {"thing"}, "session": {"goes"}, "duration": {"1"}, "username": {"me"}, "account": {"sredev"},
	}
	_, body, _, err := post(t.Context(), srv, "/prod/gui", form)
	require.NoError(t, err)
	assert.Contains(t, body, `"text":"{'url': 'https://signin.aws.amazon.com/`)

	srv.SetOriginal(chaimtest.Original{NoSignIn: true})
	_, body, _, err = post(t.Context(), srv, "/prod/gui", form)
	require.NoError(t, err)
	assert.Contains(t, body, `"statusCode":"200","text":"{'url': False}"`)
	askOriginal(t, srv, "sredev,rro,1", nil)
	assert.Equal(t, "doStart: Error CredentialsGenerationFail: buildCredentials error: UrlGenerationFail: Failed to generate a login url", last(t, srv).Error)

	form.Del("session")
	_, body, _, err = post(t.Context(), srv, "/prod/gui", form)
	require.NoError(t, err)
	assert.Contains(t, body, `"text":"start cli gui: TypeError: 'NoneType' object is not subscriptable"`)
}

// TestOriginalSettings: the settings have the default user's Slack ids.
func TestOriginalSettings(t *testing.T) {
	srv := chaimtest.NewServer(t)
	assert.Empty(t, srv.Settings().SlackID+srv.Settings().WorkspaceID)
	srv.SetOriginal(chaimtest.Original{})
	assert.Equal(t, "U0CHAIM", srv.Settings().SlackID)
	assert.Equal(t, "T0CHAIM", srv.Settings().WorkspaceID)
	assert.Subset(t, srv.Environ(t.TempDir()), []string{"CHAIM_SLACKID=U0CHAIM", "CHAIM_WORKSPACEID=T0CHAIM"})
	assert.Panics(t, func() { srv.LinkSlack("nobody", "W", "U") })
}
