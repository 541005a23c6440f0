package remote

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// localVariables hold names and paths that the user chose, and nothing secret.
var localVariables = []string{
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_CA_BUNDLE",
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_LOGIN_CACHE_DIRECTORY", "AWS_ROLE_SESSION_NAME",
}

// localKeys are those of the AWS files under which names and paths stand that the user chose, and nothing secret.
var localKeys = lazyregexp.New(`^(ca_bundle|mfa_serial|role_arn|role_session_name|services|source_profile|sso_role_name|sso_session|web_identity_token_file)$`)

// localNames are those in the text of an error that come from this machine: of profiles and files, and what was asked of
// whom. Long ones look like secrets.
func localNames(err error, text string) []string {
	var names []string
	for _, variable := range localVariables {
		names = append(names, os.Getenv(variable))
	}
	names = append(names, namesInFiles()...)
	// The place of a file tells that it is one. The folder / tells nothing.
	if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) && filepath.Dir(home) != home {
		names = append(names, regexp.MustCompile(regexp.QuoteMeta(home)+`[^\s"',;:]*`).FindAllString(text, -1)...)
	}
	return append(names, namesIn(err)...)
}

// namesInFiles are those in the AWS files that look like secrets: of sections, and what localKeys have.
func namesInFiles() (names []string) {
	config, _ := sharedfile.ConfigPath()
	credentials, _ := sharedfile.CredentialsPath("")
	for _, path := range []string{config, credentials} {
		if path == "" || sharedfile.IsOnlyOnce(path) {
			continue
		}
		doc, _ := sharedfile.File{Path: path}.Read() // what cannot be read names nothing
		for _, section := range inifile.Scan(doc) {
			names = append(names, strings.Fields(section.Name())...) // such as [profile NAME]
			for line := range section.Lines(doc) {
				if localKeys().MatchString(line.Key) {
					names = append(names, line.Value)
				}
			}
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return !looksSecret().MatchString(name) })
}

// namesIn walks through an error and its causes. The text of one that is chaim's own counts as a name, as it is fit to be
// shown already: it says what the user typed, and what servers sent only after a redaction.
func namesIn(err error) []string {
	if err == nil {
		return nil
	}
	var names []string
	if errtext.IsOwn(err) {
		names = append(names, errtext.Unprefixed(err))
	}
	switch err := err.(type) {
	case *fs.PathError:
		names = append(names, err.Path)
	case *os.LinkError:
		names = append(names, err.Old, err.New)
	case *net.DNSError:
		names = append(names, err.Name, err.Server)
	case *net.OpError:
		if err.Addr != nil {
			names = append(names, err.Addr.String())
		}
	case *url.Error:
		names = append(names, addressIn(err.URL))
	case x509.HostnameError:
		names = append(names, err.Host)
	case config.SharedConfigProfileNotExistError:
		names = append(names, err.Profile)
	case config.SharedConfigAssumeRoleError:
		names = append(names, err.Profile)
	case config.CredentialRequiresARNError:
		names = append(names, err.Profile)
	case config.SharedConfigLoadError:
		names = append(names, err.Filename)
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, cause := range many.Unwrap() {
			names = append(names, namesIn(cause)...)
		}
		return names
	}
	return append(names, namesIn(errors.Unwrap(err))...)
}

var plainPath = lazyregexp.New(`^[a-z0-9./_-]*/`)

// addressIn is the part of a URL that holds no secret: not the user, and of the path only words.
func addressIn(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return ""
	}
	path := plainPath().FindString(u.EscapedPath())
	for _, word := range strings.Split(path, "/") {
		if len(word) > 24 {
			path = ""
		}
	}
	return u.Scheme + "://" + u.Host + path
}
