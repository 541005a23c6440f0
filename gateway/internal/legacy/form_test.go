package legacy

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/issue"
)

func gzipped(text string) string {
	var b strings.Builder
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

func TestHostileBodies(t *testing.T) {
	good := keysForm("sredev,rro,1").Encode()
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, tt := range map[string]struct {
		body    string
		change  func(*http.Request)
		status  int
		message string
	}{
		"10 MB":                  {good + "&x=" + strings.Repeat("a", 10<<20), nil, 413, "Request Too Long"},
		"100,000 fields":         {good + strings.Repeat("&", 60_000), nil, 400, "Bad Request: the form has more than 64 fields"},
		"100,000 named fields":   {good + strings.Repeat("&a=1", 15_000), nil, 400, "Bad Request: the form has more than 64 fields"},
		"a field twice":          {good + "&token=other", nil, 400, "Bad Request: the field token is there more than once"},
		"text twice":             {good + "&text=billing", nil, 400, "Bad Request: the field text is there more than once"},
		"an encoded name twice":  {good + "&%74oken=other", nil, 400, "Bad Request: the field token is there more than once"},
		"NUL":                    {keysForm("sre\x00dev,rro,1").Encode(), nil, 400, "Bad Request: the field text has control characters"},
		"a new line":             {keysForm("sre\ndev,rro,1").Encode(), nil, 400, "Bad Request: the field text has control characters"},
		"a C1 control":           {keysForm("sre\u009bdev,rro,1").Encode(), nil, 400, "Bad Request: the field text has control characters"},
		"not UTF-8":              {"text=sre%ffdev", nil, 400, "Bad Request: the field text is not UTF-8"},
		"raw bytes":              {"text=sre\xffdev", nil, 400, "Bad Request: the field text is not UTF-8"},
		"a long field":           {keysForm(strings.Repeat("a", 2049)).Encode(), nil, 400, "Bad Request: the field text is longer than 2048 bytes"},
		"a long session":         {"session=" + strings.Repeat("a", 16<<10+1), nil, 400, "Bad Request: the field session is longer than 16384 bytes"},
		"bad percent":            {"text=%zz", nil, 400, "Bad Request: the body is not a form"},
		"semicolons":             {"text=sredev;token=x", nil, 400, "Bad Request: the body is not a form"},
		"a token as account":     {keysForm(token).Encode(), nil, 400, "Bad Request: the field text holds a user token, which belongs into the field token"},
		"a token as user":        {"user_name=CHM1_x_CANARY", nil, 400, "Bad Request: the field user_name holds a user token, which belongs into the field token"},
		"gzip":                   {gzipped(good), header("Content-Encoding", "gzip"), 415, "Unsupported Media Type"},
		"gzip, unsaid":           {gzipped(good), nil, 400, "Bad Request: the body is not a form"},
		"multipart":              {good, header("Content-Type", "multipart/form-data; boundary=x"), 415, "Unsupported Media Type"},
		"JSON":                   {`{"text":"sredev"}`, header("Content-Type", "application/json"), 415, "Unsupported Media Type"},
		"plain text":             {good, header("Content-Type", "text/plain"), 415, "Unsupported Media Type"},
		"no type":                {good, func(r *http.Request) { r.Header.Del("Content-Type") }, 415, "Unsupported Media Type"},
		"two types":              {good, func(r *http.Request) { r.Header.Add("Content-Type", "application/json") }, 415, "Unsupported Media Type"},
		"a type that is no type": {good, header("Content-Type", "application/x-www-form-urlencoded; x"), 415, "Unsupported Media Type"},
		"cut off":                {good, func(r *http.Request) { r.Body = io.NopCloser(brokenReader{}) }, 400, "Bad Request: the body did not come in full"},
	} {
		t.Run(name, func(t *testing.T) {
			h, issuer, log := newHandler()
			w := post(h, "/", tt.body, tt.change)
			assert.Equal(t, tt.status, w.Code)
			assert.JSONEq(t, `{"message":"`+tt.message+`"}`, w.Body.String())
			assert.Zero(t, issuer.asked)
			assert.NotContains(t, w.Body.String()+log.String(), "CANARY")
		})
	}
	h, _, _ := newHandler()
	assert.Equal(t, "200", opened(t, post(h, "/", good, header("Content-Type", "Application/X-WWW-Form-Urlencoded; charset=UTF-8"))).StatusCode)
	assert.Equal(t, "400", opened(t, post(h, "/", "", nil)).StatusCode, "an empty form")
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("CANARY") }

func TestAgent(t *testing.T) {
	h, issuer, _ := newHandler()
	for agent, want := range map[string]string{
		"cca 4.1":                  "cca 4.1",
		"":                         "Go-http/1",
		"x " + token:               "x [secret]",
		"my token " + token + "!":  "my token [secret]!",
		"é\u202e":                  "??",
		strings.Repeat("a b ", 99): strings.Repeat("a b ", 49) + "a...",
	} {
		form := keysForm("sredev")
		form.Set("useragent", agent)
		post(h, "/", form.Encode(), func(r *http.Request) { r.Header.Set("User-Agent", "Go-http/1") })
		assert.Equal(t, want, issuer.who.Agent)
		assert.LessOrEqual(t, len(issuer.who.Agent), maxAgent)
	}
}

func TestInjectionReachesTheIssuerAsItIsOrNotAtAll(t *testing.T) {
	h, issuer, _ := newHandler()
	for _, evil := range torture {
		for _, field := range []string{"text", "user_name", "token", "useragent"} {
			form := keysForm("sredev,rro,1")
			form.Set(field, evil)
			issuer.asked, issuer.who, issuer.what = 0, issue.Caller{}, issue.Ask{}
			w := post(h, "/", form.Encode(), nil)
			if issuer.asked == 0 {
				continue
			}
			opened(t, w)
			want := map[string]string{"text": issuer.what.Account, "user_name": issuer.who.User, "token": issuer.who.Token}
			if got, isKept := want[field]; isKept && !(field == "text" && strings.Contains(evil, ",")) {
				require.Equal(t, strings.TrimSpace(evil), got, "%s: %q", field, evil)
			}
		}
	}
}

// FuzzForm sends any body. Each answer must be in one of the two forms, and what reaches the issuer must be clean.
func FuzzForm(f *testing.F) {
	f.Add(keysForm("sredev,rro,1").Encode())
	f.Add(linkForm().Encode())
	f.Add("text=list&token=%00")
	f.Add("text=a&text=b&&&=")
	f.Add("accesskey=%ff&text=")
	for _, name := range torture {
		f.Add(keysForm(name).Encode())
	}
	f.Fuzz(func(t *testing.T, body string) {
		h, issuer, _ := newHandler()
		w := post(h, "/prod/", body, nil)
		switch w.Code {
		case 200:
			e := opened(t, w)
			assert.Contains(t, []string{"200", "400"}, e.StatusCode)
			assert.True(t, utf8.ValidString(e.Text))
		case 400, 413:
			assert.Contains(t, w.Body.String(), `{"message":"`)
			assert.Zero(t, issuer.asked)
		default:
			t.Fatalf("status %d", w.Code)
		}
		for _, value := range []string{issuer.who.Token, issuer.who.User, issuer.what.Account, issuer.what.Role, issuer.keys.AccessKeyID} {
			assert.True(t, utf8.ValidString(value) && !strings.ContainsAny(value, "\x00\n\r") && len(value) <= maxField)
		}
		assert.LessOrEqual(t, len(issuer.who.Agent), maxAgent)
	})
}

func TestFormIsTheStandardOne(t *testing.T) {
	f, err := parseForm(url.Values{"text": {"a b+c&d=e%"}, "unknown": {"x"}}.Encode())
	require.NoError(t, err)
	assert.Equal(t, "a b+c&d=e%", f.get("text"))
	assert.Empty(t, f.get("unknown"))
	assert.Equal(t, "ua", form{}.agent(func() *http.Request {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("User-Agent", "ua")
		return r
	}()))
}
