package legacy

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/chaim-go/chaim/gateway/internal/issue"
)

func TestParseText(t *testing.T) {
	for text, want := range map[string]issue.Ask{
		"sredev":                             {Account: "sredev", Role: "rro", Duration: 900 * time.Second},
		" sredev , mpu , 4 ":                 {Account: "sredev", Role: "mpu", Duration: 4 * time.Hour},
		"sredev,4,mpu":                       {Account: "sredev", Role: "mpu", Duration: 4 * time.Hour},
		"sredev,,4":                          {Account: "sredev", Role: "rro", Duration: 4 * time.Hour},
		"sredev,,":                           {Account: "sredev", Role: "rro", Duration: 900 * time.Second},
		"sredev,mpu,":                        {Account: "sredev", Role: "mpu", Duration: 900 * time.Second},
		"sredev,mpu":                         {Account: "sredev", Role: "mpu", Duration: 900 * time.Second},
		"sredev,4":                           {Account: "sredev", Role: "4", Duration: 900 * time.Second},
		"sredev,4,5":                         {Account: "sredev", Role: "4", Duration: 5 * time.Hour},
		"Connected Homes,mpu,4":              {Account: "Connected Homes", Role: "mpu", Duration: 4 * time.Hour},
		"O'Brien,apu,12":                     {Account: "O'Brien", Role: "apu", Duration: 12 * time.Hour},
		"222222222222,CrossAccountPowerUser": {Account: "222222222222", Role: "CrossAccountPowerUser", Duration: 900 * time.Second},
		"a,b,0":                              {Account: "a", Role: "b", Duration: 900 * time.Second},
		"a,b,-1":                             {Account: "a", Role: "b", Duration: 900 * time.Second},
		"a,b,13":                             {Account: "a", Role: "b", Duration: 900 * time.Second},
		"a,b,899":                            {Account: "a", Role: "b", Duration: 900 * time.Second},
		"a,b,901":                            {Account: "a", Role: "b", Duration: 901 * time.Second},
		"a,b,43199":                          {Account: "a", Role: "b", Duration: 43199 * time.Second},
		"a,b,43201":                          {Account: "a", Role: "b", Duration: 12 * time.Hour},
		"a,b,99999999999999999999999":        {Account: "a", Role: "b", Duration: 12 * time.Hour},
		"a,b,-99999999999999999999999":       {Account: "a", Role: "b", Duration: 900 * time.Second},
		"whoskey,b,1":                        {},
		"whoskey ASIAEXAMPLE":                {},
		"--help":                             {},
		"-v":                                 {},
		"count,rro,1":                        {},
		"initshow":                           {},
		"roles":                              {},
		"":                                   {},
		" , rro, 1":                          {},
		"sredev,rro,soon":                    {},
		"sredev,rro,1.5":                     {},
		"sredev,rro,1,2":                     {},
		"Foo, Inc,rro,1":                     {},
		strings.Repeat("ä", 128):             {},
		"a," + strings.Repeat("r", 65) + ",": {},
		strings.Repeat("ä", 127):             {Account: strings.Repeat("ä", 127), Role: "rro", Duration: 900 * time.Second},
		"Listing,rro,1":                      {Account: "Listing", Role: "rro", Duration: time.Hour},
		"List,rro,1":                         {Account: "List", Role: "rro", Duration: time.Hour},
		"count me in,rro,1":                  {Account: "count me in", Role: "rro", Duration: time.Hour},
		"-x,rro,1":                           {Account: "-x", Role: "rro", Duration: time.Hour},
	} {
		got, err := parseText(text)
		assert.Equal(t, want == (issue.Ask{}), err != nil, "%q: %v", text, err)
		assert.Equal(t, ask{Ask: want}, got, "%q", text)
	}
}

func TestVerbsOfTheOriginalAreRefusedByName(t *testing.T) {
	h, issuer, _ := newHandler()
	for text, verb := range map[string]string{"whoskey ASIAX": "whoskey", "--help": "--help", "count": "count", "-w ASIAX": "-w"} {
		e := opened(t, post(h, "/", keysForm(text).Encode(), nil))
		assert.Equal(t, []string{"400", "doStart: Error BadCommandStr: this gateway does not support the command " + verb +
			". It lends keys and lists accounts. If an account has this name, ask by its id"}, []string{e.StatusCode, e.Text})
	}
	assert.Zero(t, issuer.asked)
}

// FuzzParseText checks that whatever is asked for is within the limits.
func FuzzParseText(f *testing.F) {
	for _, text := range []string{"sredev,rro,1", "list", "whoskey x", "a,1,b", ",,,", " a , 99999999999999999999 , x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseText(text)
		switch {
		case err != nil:
			assert.Equal(t, ask{}, got)
			assert.False(t, strings.ContainsFunc(err.Error(), func(r rune) bool { return r > '~' }), "errors repeat no input")
			return
		case got.isList:
			assert.Equal(t, issue.Ask{}, got.Ask)
			return
		}
		assert.True(t, got.Account != "" && utf8.RuneCountInString(got.Account) <= maxAccount && got.Account == strings.TrimSpace(got.Account))
		assert.True(t, got.Role != "" && utf8.RuneCountInString(got.Role) <= maxRole)
		assert.True(t, minDuration <= got.Duration && got.Duration <= maxDuration)
		assert.NotContains(t, got.Account+got.Role, ",")
	})
}
