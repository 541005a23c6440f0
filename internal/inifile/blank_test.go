package inifile

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBlank(t *testing.T) {
	const (
		keys    = "aws_access_key_id = ID\naws_secret_access_key = SECRET=\naws_session_token = TO/KEN\naws_security_token = TO/KEN\n"
		blanked = "aws_access_key_id = ID\naws_secret_access_key = xxxxxxx\naws_session_token = xxxxxx\naws_security_token = xxxxxx\n"
		others  = "# SECRET=\nexpires = 1\nrole = SECRET=\n[other]\n" + keys + "[default]\nchaim_was_aws_secret_access_key = SECRET=\nregion = SECRET=\n"
		setting = "[default]\noutput = SECRET=\n"
	)
	remove := func(doc []byte) ([]byte, error) { return Delete(doc, "p") }
	removeDefault := func(doc []byte) ([]byte, error) { return Delete(doc, DefaultSection) }
	for name, tt := range map[string]struct {
		doc, want string
		remove    func([]byte) ([]byte, error)
	}{
		"section":         {"[p]\n" + keys + others, "[p]\n" + blanked + others, remove},
		"CRLF, odd":       {"[p]\r\nAWS_Session_Token:\tTOKEN \r\n\r\ngui_url=https://u\r\n", "[p]\r\nAWS_Session_Token:\txxxxx \r\n\r\ngui_url=xxxxxxxxx\r\n", remove},
		"no final ending": {"[p]\naws_session_token =TOKEN", "[p]\naws_session_token =xxxxx", remove},
		"empty value":     {"[p]\naws_session_token =\nk = v\n", "[p]\naws_session_token =\nk = v\n", remove},
		"nested":          {"[p]\ns3 =\n  aws_session_token = T\n", "[p]\ns3 =\n  aws_session_token = T\n", remove},
		"not UTF-8":       {"[p]\naws_session_token = \xff\u00e4b\n", "[p]\naws_session_token = xxxx\n", remove},
		"no section":      {others, others, remove},
		"copy of an earlier version, with what it put aside": {
			setting + keys + "chaim_was_aws_secret_access_key = SEC\nchaim_scope = S.\n", setting + blanked + "chaim_was_aws_secret_access_key = SEC\nchaim_scope = S.\n", removeDefault,
		},
	} {
		t.Run(name, func(t *testing.T) {
			doc := []byte(tt.doc)
			for range 2 {
				got, err := Blank(tt.remove)(doc)
				require.NoError(t, err)
				assert.Equal(t, tt.want, string(got))
				doc = got
			}
			whole, err := tt.remove([]byte(tt.doc))
			require.NoError(t, err)
			rest, err := tt.remove(doc)
			require.NoError(t, err)
			assert.Equal(t, string(whole), string(rest), "the rest is removed as all of it would have been")
		})
	}

	doc := []byte("[p]\n" + keys)
	_, err := Blank(remove)(doc)
	require.NoError(t, err)
	assert.Equal(t, "[p]\n"+keys, string(doc), "its own copy is changed")

	want := errors.New("mine")
	_, err = Blank(func([]byte) ([]byte, error) { return nil, want })([]byte("[p]\n"))
	assert.ErrorIs(t, err, want)
}

// FuzzBlank removes a section from any document, with space and without.
func FuzzBlank(f *testing.F) {
	for _, doc := range []string{"[p]\naws_session_token=T", "[a]\r\n[p]\r\naws_secret_access_key : S\r\n x\r\n", "\ufeff[p]\n aws_session_token = = \n[q]\n[p]"} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		remove := func(doc []byte) ([]byte, error) { return Delete(doc, "p") }
		got, err := Blank(remove)(doc)
		after, removeErr := remove(slices.Clone(doc))
		require.Equal(t, removeErr, err)
		if err != nil {
			return
		}
		require.Len(t, got, len(doc))
		for i := range got {
			require.True(t, got[i] == doc[i] || got[i] == filler)
		}
		rest, err := remove(got)
		require.NoError(t, err)
		require.Equal(t, string(after), string(rest))
	})
}
