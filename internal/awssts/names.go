package awssts

import (
	"os"
	"path/filepath"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/chaim-go/chaim/internal/httpx"
)

// localVariables hold names and paths that the user chose, and nothing secret.
var localVariables = []string{
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_CA_BUNDLE",
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_LOGIN_CACHE_DIRECTORY", "AWS_ROLE_SESSION_NAME",
}

// maxText is how many characters of a text of the SDK go into an error: it names with ARNs who asked for what.
const maxText = 600

// Foreign makes the error of a provider that is not chaim's fit for errors and logs. Nil stays nil.
func Foreign(err error, files Files) error {
	if err == nil {
		return nil
	}
	return httpx.Foreign(err, localNames(files, err, err.Error()))
}

// ForeignOnce is Foreign for a broker that was asked for these names, and was to make one attempt.
func ForeignOnce(err error, files Files, asked ...string) error {
	if err == nil {
		return nil
	}
	return httpx.ForeignOnce(err, append(localNames(files, err, err.Error()), asked...))
}

// localNames are those in the text of an error that come from this machine: of profiles and files, and what was asked of
// whom. Long ones look like secrets.
func localNames(files Files, err error, text string) []string {
	var names []string
	for _, variable := range localVariables {
		names = append(names, os.Getenv(variable))
	}
	names = append(names, files.Names()...)
	// The place of a file tells that it is one. The folder / tells nothing.
	if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) && filepath.Dir(home) != home {
		names = append(names, regexp.MustCompile(regexp.QuoteMeta(home)+`[^\s"',;:]*`).FindAllString(text, -1)...)
	}
	return append(names, httpx.NamesIn(err, nameInSDK)...)
}

// nameInSDK is the profile or file that an error of the SDK is about.
func nameInSDK(err error) string {
	switch err := err.(type) {
	case config.SharedConfigProfileNotExistError:
		return err.Profile
	case config.SharedConfigAssumeRoleError:
		return err.Profile
	case config.CredentialRequiresARNError:
		return err.Profile
	case config.SharedConfigLoadError:
		return err.Filename
	}
	return ""
}
