package awsenv

import (
	"cmp"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/lazyregexp"
)

// CredentialsPath is the file that the AWS SDKs read, unless a folder is given.
func CredentialsPath(dir string) (string, error) {
	if dir != "" {
		return filepath.Abs(filepath.Join(dir, "credentials"))
	}
	return awsFile("AWS_SHARED_CREDENTIALS_FILE", "credentials")
}

// IsUsual reports whether SDKs read that credentials file without being told of it.
func IsUsual(path string) bool {
	usual, err := awsFile("", "credentials")
	return err == nil && path == usual
}

// ConfigPath is the config file that the AWS SDKs read.
func ConfigPath() (string, error) { return awsFile("AWS_CONFIG_FILE", "config") }

// unexpandedRule finds what a shell would have expanded, and some readers do.
var unexpandedRule = lazyregexp.New(`\$(\w+|\{\w+\})|^~[^/\\]+`)

// awsFile is the file that an environment variable names, with a leading tilde expanded as the AWS CLI does, or the one
// of that name in ~/.aws.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html
func awsFile(variable, name string) (string, error) {
	path := cmp.Or(os.Getenv(variable), filepath.Join("~", ".aws", name))
	if part := unexpandedRule().FindString(path); part != "" {
		return "", fmt.Errorf("chaim: %s is %q, in which boto3 expands %q and other SDKs do not: write the path in full", variable, path, part)
	}
	if rest, ok := strings.CutPrefix(path, "~"); ok {
		home, err := homeFolder()
		if err != nil {
			return "", errtext.Wrap(err, "cannot tell where the AWS file %q is: name one in %s", name, variable)
		}
		path = home + rest
	}
	if filepath.IsAbs(path) {
		return path, nil // as it is, for Resolve to follow
	}
	return filepath.Abs(path)
}

// homeFolder is that of the environment, or else the one that the system has for the user, as for the AWS SDKs.
func homeFolder() (string, error) {
	home, err := os.UserHomeDir()
	if err == nil {
		return home, nil
	}
	if u, userErr := user.Current(); userErr == nil && u.HomeDir != "" {
		return u.HomeDir, nil
	}
	return "", errtext.Wrap(err, "the system knows no home folder of this user")
}
