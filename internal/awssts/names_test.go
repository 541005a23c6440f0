package awssts

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/profiles"
)

func foreign(err error) error { return Foreign(err, profiles.AWSFiles{}) }

func TestForeignKeepsLocalNames(t *testing.T) {
	const profile = "acme-production-AdministratorAccess-123456789012"
	home := filepath.Join(t.TempDir(), strings.Repeat("home", 12))
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	token := filepath.Join(home, ".aws", "sso", "cache", strings.Repeat("0123456789", 4)+".json")
	const imds = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
	for _, err := range []error{
		fmt.Errorf("loading: %w", config.SharedConfigProfileNotExistError{Profile: profile}),
		errors.Join(errors.New("x"), config.SharedConfigAssumeRoleError{Profile: profile, RoleARN: "arn:aws:iam::111111111111:role/R"}),
		fmt.Errorf("failed to open: %w", &fs.PathError{Op: "open", Path: "/srv/" + strings.Repeat("folder/", 10) + "x", Err: fs.ErrNotExist}),
		fmt.Errorf("no token in %s: refresh it", token),
		&url.Error{Op: "Get", URL: imds, Err: errors.New("dial tcp 169.254.169.254:80: connect: connection refused")},
		fmt.Errorf("failed to refresh cached credentials, %w", errtext.Wrap(errors.New("token=[secret]"), "keys for account %q", profile)),
	} {
		assert.EqualError(t, foreign(err), "chaim: "+strings.ReplaceAll(err.Error(), "\n", " "))
	}
	noFiles(t)
	t.Setenv("AWS_PROFILE", profile)
	_, err := Config(t.Context(), Options{Files: profiles.AWSFiles{}})
	require.ErrorContains(t, err, "failed to get shared config profile, "+profile)

	for _, text := range []string{
		"read " + profile + "wJalrXUtnFEMI",
		"https://chris:CANARYpassword@" + profile + "/",
	} {
		assert.Contains(t, foreign(errors.New(text)).Error(), httpx.Hidden)
	}
	secretPath := &url.Error{Op: "Get", URL: "http://127.0.0.1:1/" + strings.Repeat("CANARY", 8), Err: errors.New("refused")}
	assert.NotContains(t, foreign(secretPath).Error(), "CANARY")
	t.Setenv("AWS_PROFILE", "a")
	assert.NotContains(t, foreign(errors.New("read "+strings.Repeat("CaNARY", 8))).Error(), "NARY")
}

// TestForeignKeepsNamesOfFiles: long names from the user's AWS files stay readable in the SDK's errors about them.
func TestForeignKeepsNamesOfFiles(t *testing.T) {
	const long = "acme-production-AdministratorAccess-123456789012-eu-west-1"
	token := "/srv/" + long + "/token-of-" + long
	for profile, want := range map[string]string{
		"[default]\nsso_session = " + long + "\nsso_account_id = 111111111111\nsso_role_name = x\n":         "failed to find SSO session section, " + long,
		"[default]\nrole_arn = arn:aws:iam::222222222222:role/x\nweb_identity_token_file = " + token + "\n": token + ": no such file",
	} {
		noFiles(t)
		write(t, "AWS_CONFIG_FILE", profile)
		cfg, err := Config(t.Context(), Options{Files: profiles.AWSFiles{}, Region: "eu-west-1"})
		if err == nil {
			_, err = cfg.Credentials.Retrieve(t.Context())
			err = foreign(err)
		}
		assert.ErrorContains(t, err, want)
	}
	write(t, "AWS_CONFIG_FILE", "[profile "+long+"]\naws_secret_access_key = "+strings.Repeat("CANARY", 8)+"\ncredential_process = x "+strings.Repeat("canary", 8)+"\n")
	assert.EqualError(t, foreign(errors.New("of "+long+": "+strings.Repeat("CANARY", 8)+" "+strings.Repeat("canary", 8))), "chaim: of "+long+": [secret] [secret]")
	write(t, "AWS_CONFIG_FILE", "[profile admin]\n")
	assert.EqualError(t, foreign(errors.New("password=admin")), "chaim: password=[secret]")
}
