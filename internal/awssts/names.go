package awssts

import (
	"os"
	"path/filepath"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/chaim-go/chaim/internal/httpx"
)

// localVariables hold names and paths that the user chose, and no secrets.
var localVariables = []string{
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_CA_BUNDLE",
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_LOGIN_CACHE_DIRECTORY", "AWS_ROLE_SESSION_NAME",
}

// maxText limits a text of the SDK or STS in an error. It leaves room for the ARNs of a refusal.
const maxText = 600

// Foreign redacts the error of a provider that is not chaim's. Nil stays nil.
func Foreign(err error, files Files) error {
	if err == nil {
		return nil
	}
	return httpx.Foreign(err, localNames(files, err, err.Error()))
}

// ForeignOnce is Foreign for a broker that makes a single attempt. asked are the names in the request.
func ForeignOnce(err error, files Files, asked ...string) error {
	if err == nil {
		return nil
	}
	return httpx.ForeignOnce(err, append(localNames(files, err, err.Error()), asked...))
}

// localNames returns the names from this machine that an error may hold: of profiles, files, hosts and roles. Long ones look
// like secrets but are none.
func localNames(files Files, err error, text string) []string {
	var names []string
	for _, variable := range localVariables {
		names = append(names, os.Getenv(variable))
	}
	names = append(names, files.Names()...)
	// A path below the home folder is a name, unless that folder is the root.
	if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) && filepath.Dir(home) != home {
		names = append(names, regexp.MustCompile(regexp.QuoteMeta(home)+`[^\s"',;:]*`).FindAllString(text, -1)...)
	}
	return append(names, httpx.NamesIn(err, nameInSDK)...)
}

// nameInSDK returns the profile or file that an error of the SDK names.
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
