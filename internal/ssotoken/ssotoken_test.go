package ssotoken

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFileName(t *testing.T) {
	assert.Equal(t, "ee0bfd2552fbd840c02cc48b6e823320543c450f.json", FileName("corp", "https://corp.awsapps.com/start"), "as botocore has it")
	assert.NotEqual(t, FileName("", "https://corp.awsapps.com/start"), FileName("", "https://corp.awsapps.com/start/"))
}

func TestParse(t *testing.T) {
	at := time.Date(2026, 11, 29, 23, 52, 59, 0, time.UTC)
	for _, text := range []string{"2026-11-29T23:52:59Z", "2026-11-29T23:52:59UTC", "2026-11-29 23:52:59Z", "2026-11-30T00:52:59+01:00", "2026-11-29T23:52:59.000Z"} {
		token, err := Parse(fmt.Appendf(nil, `{"accessToken":"CANARYa","expiresAt":%q}`, text))
		require.NoError(t, err, text)
		assert.True(t, at.Equal(token.Expires), text)
	}
	for text, want := range map[string]string{
		"": "not JSON", "{": "not JSON", `"x"`: "not JSON", "{}": "no access token", `{"accessToken":"CANARYa","expiresAt":5}`: "not JSON",
		`{"accessToken":"CANARYa"}`: "expiresAt is no time", `{"accessToken":"CANARYa","expiresAt":"soon"}`: "expiresAt is no time",
	} {
		_, err := Parse([]byte(text))
		require.ErrorContains(t, err, want, text)
		assert.NotContains(t, err.Error(), "CANARY")
	}
}

func TestRenderKeepsWhatItDoesNotKnow(t *testing.T) {
	token := Token{
		StartURL: "https://corp.awsapps.com/start", Region: "eu-central-1", Access: "CANARYa", Expires: time.Date(2026, 11, 29, 23, 52, 59, 5, time.UTC),
		Client: Client{ID: "c", Secret: "CANARYs", Expires: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)},
	}
	text, err := token.Render([]byte(`{"refreshToken":"CANARYold","accessToken":"CANARYold","ours":{"a":[1]}}`))
	require.NoError(t, err)
	var pairs map[string]any
	require.NoError(t, json.Unmarshal(text, &pairs))
	assert.Equal(t, map[string]any{
		"startUrl": token.StartURL, "region": token.Region, "accessToken": "CANARYa", "expiresAt": "2026-11-29T23:52:59Z",
		"clientId": "c", "clientSecret": "CANARYs", "registrationExpiresAt": "2027-01-01T00:00:00Z", "ours": map[string]any{"a": []any{1.0}},
	}, pairs)
	for _, before := range []string{"", "{", "null", "[]"} {
		text, err := token.Render([]byte(before))
		require.NoError(t, err)
		again, err := Parse(text)
		require.NoError(t, err)
		assert.Equal(t, "CANARYa", again.Access)
	}
}

func TestRenderOverATornText(t *testing.T) {
	token, err := Parse([]byte(`{"accessToken":"CANARYa","expiresAt":"2026-11-29T23:52:59Z","refreshToken":"CANARYr","ours":1}`))
	require.NoError(t, err)
	token.Refresh = ""
	for _, before := range []string{"", `{"accessToken":"CANAR`} {
		text, err := token.Render([]byte(before))
		require.NoError(t, err)
		var pairs map[string]any
		require.NoError(t, json.Unmarshal(text, &pairs))
		assert.Equal(t, 1.0, pairs["ours"])
		assert.NotContains(t, pairs, "refreshToken")
	}
}

func TestTokensPrintNoSecret(t *testing.T) {
	token := Token{Access: "CANARYa", Refresh: "CANARYr", Client: Client{ID: "c", Secret: "CANARYs"}}
	for _, v := range []any{token, &token, token.Client, []Token{token}, map[string]any{"x": token}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			assert.NotContains(t, fmt.Sprintf(verb, v), "CANARY")
		}
		text, err := json.Marshal(v)
		require.NoError(t, err)
		assert.NotContains(t, string(text), "CANARY")
	}
}

// TestRegistrationFileName compares with what Python's json.dumps and hashlib make of the same purposes.
func TestRegistrationFileName(t *testing.T) {
	for want, p := range map[string]Purpose{
		"fdcad60aaabbae07299d375d185dc582b97f32f1": {StartURL: "https://corp.awsapps.com/start", Region: "eu-central-1", Session: "corp", Scopes: []string{"sso:account:access"}},
		"d523465694e236d83246e62a7fc592e4abdbda81": {StartURL: "https://corp.awsapps.com/start", Region: "eu-central-1"},
		"76886e701f728a3bbe3bf7ade67a37d133f18561": {
			StartURL: "https://corp.awsapps.com/start?a=1&b=<2>", Region: "eu-central-1", Session: "Bü😀\"ro\n", Scopes: []string{"a:b", "c"},
		},
	} {
		assert.Equal(t, want+".json", p.FileName())
		p.GrantTypes = []string{"authorization_code"}
		assert.Equal(t, want+".json", p.FileName(), "the two ways to sign in share a file")
	}
}

func TestRegistration(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	browser := Purpose{Scopes: []string{"sso:account:access"}, GrantTypes: []string{"authorization_code", "refresh_token"}}
	device := Purpose{Scopes: browser.Scopes}
	text, err := browser.Render(Client{ID: "c", Secret: "CANARYs", Expires: now.Add(time.Hour)})
	require.NoError(t, err)
	assert.JSONEq(t, `{"clientId":"c","clientSecret":"CANARYs","expiresAt":"2026-11-30T13:00:00Z","scopes":["sso:account:access"],"grantTypes":["authorization_code","refresh_token"]}`, string(text))
	assert.Equal(t, Client{ID: "c", Secret: "CANARYs", Expires: now.Add(time.Hour)}, browser.Registration(text, 15*time.Minute, now))
	assert.Zero(t, browser.Registration(text, time.Hour, now), "it ends too soon")
	assert.Zero(t, device.Registration(text, 0, now), "it is for a browser")
	assert.Zero(t, Purpose{GrantTypes: browser.GrantTypes}.Registration(text, 0, now), "it is for other scopes")
	text, err = device.Render(Client{ID: "c", Secret: "CANARYs", Expires: now.Add(time.Hour)})
	require.NoError(t, err)
	assert.NotContains(t, string(text), "grantTypes")
	assert.Equal(t, "c", device.Registration(text, 0, now).ID)
	for _, text := range []string{"", "{", `{"clientId":"c"}`, `{"clientId":"c","clientSecret":"CANARYs","expiresAt":"soon","scopes":["sso:account:access"]}`} {
		assert.Zero(t, device.Registration([]byte(text), 0, now), text)
	}
}
