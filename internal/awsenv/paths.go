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

// CredentialsPath returns the path of the credentials file: in dir or, if that is empty, where the AWS SDKs read it.
func CredentialsPath(dir string) (string, error) {
	if dir != "" {
		return filepath.Abs(filepath.Join(dir, "credentials"))
	}
	return awsFile("AWS_SHARED_CREDENTIALS_FILE", "credentials")
}

// IsUsual reports whether path is the credentials file that SDKs read by default.
func IsUsual(path string) bool {
	usual, err := awsFile("", "credentials")
	return err == nil && path == usual
}

// ConfigPath returns the path of the AWS config file that the SDKs read.
func ConfigPath() (string, error) { return awsFile("AWS_CONFIG_FILE", "config") }

// SSOCache returns the folder where the AWS CLI and the SDKs keep sign-ins to IAM Identity Center. No variable moves it.
func SSOCache() (string, error) {
	return awsFile("", filepath.Join("sso", "cache"))
}

var variableRule = lazyregexp.New(`\$(\w+|\{\w+\})`)

// unexpanded returns the part of a path that a shell would expand. Some readers of the file expand it too. For a usual path
// it compiles no rule, because every command calls it.
func unexpanded(path string) string {
	if rest, hasTilde := strings.CutPrefix(path, "~"); hasTilde {
		if user, _, _ := strings.Cut(strings.ReplaceAll(rest, `\`, "/"), "/"); user != "" {
			return "~" + user
		}
	}
	if !strings.Contains(path, "$") {
		return ""
	}
	return variableRule().FindString(path)
}

// awsFile returns the file that an environment variable names, or else the file with this name in ~/.aws. It expands a
// leading tilde as the AWS CLI does.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html
func awsFile(variable, name string) (string, error) {
	path := cmp.Or(os.Getenv(variable), filepath.Join("~", ".aws", name))
	if part := unexpanded(path); part != "" {
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
		return path, nil // not cleaned: a .. after a symbolic link must stay
	}
	return filepath.Abs(path)
}

// homeFolder returns the home folder of the environment, or else of the system's user database, as the AWS SDKs do.
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
