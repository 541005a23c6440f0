package dev

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/chaim-go/chaim/chaimtest"
)

// cutVariable returns the value of NAME=VALUE. The case of the name does not count on Windows.
func cutVariable(variable, name string) (value string, isIt bool) {
	got, value, _ := strings.Cut(variable, "=")
	return value, got == name || runtime.GOOS == "windows" && strings.EqualFold(got, name)
}

// awsOwn are variables that name keys, files or endpoints of AWS. They are the caller's, and not for CMD.
var awsOwn = []string{
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY",
	"AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_LOGIN_CACHE_DIRECTORY",
	"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
	"AWS_STS_REGIONAL_ENDPOINTS", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
}

// isOwn reports whether a variable of the caller would lead CMD to another gateway or to real keys.
func isOwn(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return strings.HasPrefix(name, "CHAIM_") || slices.Contains(awsOwn, name)
}

// environ is the environment of CMD: that of the caller, with a HOME of its own. double is nil with --aws.
func (d *devGateway) environ(ctx context.Context, double *chaimtest.Server) []string {
	env := slices.DeleteFunc(os.Environ(), isOwn)
	set := func(variables ...string) {
		for _, v := range variables {
			name, _, _ := strings.Cut(v, "=")
			env = slices.DeleteFunc(env, func(old string) bool { _, isIt := cutVariable(old, name); return isIt })
			env = append(env, v)
		}
	}
	set(goVariables(ctx)...)
	if double != nil {
		for _, v := range double.Environ(filepath.Join(d.home(), ".aws")) {
			if _, value, _ := strings.Cut(v, "="); value != "" && !strings.HasPrefix(v, "CHAIM_") {
				set(v)
			}
		}
	}
	set("HOME="+d.home(), "PATH="+d.bin()+string(filepath.ListSeparator)+os.Getenv("PATH"), "CHAIM_GATEWAY_CONFIG="+d.configPath())
	if runtime.GOOS == "windows" {
		set("USERPROFILE=" + d.home())
	}
	return env
}

// goPatience bounds the wait for the command go.
const goPatience = 10 * time.Second

// goVariables keep the caches of Go, which are in the HOME of the caller, for programs that CMD runs with 'go run'. There are
// none without the command go.
func goVariables(ctx context.Context) (variables []string) {
	ctx, stop := context.WithTimeout(ctx, goPatience)
	defer stop()
	out, err := exec.CommandContext(ctx, "go", "env", "-json", "GOPATH", "GOMODCACHE", "GOCACHE", "GOENV").Output()
	known := map[string]string{}
	if err != nil || json.Unmarshal(out, &known) != nil {
		return nil
	}
	for name, value := range known {
		if value != "" {
			variables = append(variables, name+"="+value)
		}
	}
	slices.Sort(variables)
	return variables
}

// installSelf puts this program into a folder as chaim-gateway. If the system does not say where this program is, CMD has to
// find one itself.
func installSelf(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	name := filepath.Join(dir, "chaim-gateway")
	if runtime.GOOS != "windows" {
		return os.Symlink(self, name)
	}
	if err := os.Link(self, name+".exe"); err == nil {
		return nil
	}
	text, err := os.ReadFile(self) // it may be on another disk
	if err != nil {
		return err
	}
	return os.WriteFile(name+".exe", text, 0o700)
}
