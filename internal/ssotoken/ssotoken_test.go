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
