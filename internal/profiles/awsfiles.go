package profiles

import (
	"context"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// AWSFiles reads the files of the AWS SDK, for packages that must not import a file package.
type AWSFiles struct{}

// Input returns the text of a file that the user names and that chaim never writes. The writer of a pipe must finish before
// ctx ends.
func (AWSFiles) Input(ctx context.Context, path string) ([]byte, error) {
	text, _, err := sharedfile.ReadInput(ctx, path)
	return text, err
}

// IsOnlyOnce reports whether a file can be read only once, or has no text before another program writes to it.
func (AWSFiles) IsOnlyOnce(path string) bool { return sharedfile.IsOnlyOnce(path) }

// localKeys are the keys of the AWS files whose values are names and paths that the user chose, and no secrets.
var localKeys = lazyregexp.New(`^(ca_bundle|mfa_serial|role_arn|role_session_name|services|source_profile|sso_role_name|sso_session|web_identity_token_file)$`)

// longName matches a text that has the length and the letters of a secret access key.
var longName = lazyregexp.New(`[A-Za-z0-9+/=_%\\-]{40,}`)

// Names returns the names in the AWS files that look like secrets: names of sections, and values of localKeys.
func (f AWSFiles) Names() (names []string) {
	config, _ := awsenv.ConfigPath()
	credentials, _ := awsenv.CredentialsPath("")
	for _, path := range []string{config, credentials} {
		if path == "" || f.IsOnlyOnce(path) {
			continue
		}
		doc, err := Open(path, nil, nil).Read()
		if err != nil {
			continue // an unreadable file has no names
		}
		for _, s := range doc.Sections() {
			names = append(names, strings.Fields(s.Name())...) // such as [profile NAME]
			for line := range s.Lines() {
				if localKeys().MatchString(line.Key) {
					names = append(names, line.Value)
				}
			}
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return !longName().MatchString(name) })
}

// IsLent reports whether chaim has written this access key id, or this credential_process, into that profile of the
// credentials file: as the profile's own, or as a copy in [default].
func (AWSFiles) IsLent(profile, keyID, process string) bool {
	path, err := awsenv.CredentialsPath("")
	if err != nil {
		return false
	}
	doc, err := Open(path, nil, nil).Read()
	if err != nil {
		return false // an unreadable file has no lent keys
	}
	lent, _, err := doc.Managed(profile)
	key, own := lent["aws_access_key_id"], lent[inifile.ProcessKey]
	switch isTaken := key != "" && key == keyID || own != "" && own == process; {
	case err != nil || !isTaken:
		return false
	case profile == inifile.DefaultSection:
		return hasCopy(doc)
	}
	return lent[inifile.MarkerKey] != ""
}
