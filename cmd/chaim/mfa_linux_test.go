package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
)

const mfaSerial = "arn:aws:iam::111111111111:mfa/lars"

// guarded runs chaim for a user whose profiles p1 to pN need a code of an MFA device, without a gateway.
func guarded(t *testing.T, srv *chaimtest.Server, profiles int, args ...string) *exec.Cmd {
	t.Helper()
	home := newHome(t)
	keys := srv.AddKeys("111111111111", "lars")
	srv.AddMFADevice("lars", mfaSerial)
	srv.RequireMFA("222222222222", mfaSerial, "")
	var config strings.Builder
	fmt.Fprintf(&config, "[profile lars]\naws_access_key_id = %s\naws_secret_access_key = %s\n", keys.AccessKeyID, keys.SecretAccessKey)
	for i := range profiles {
		fmt.Fprintf(&config, "[profile p%d]\nrole_arn = arn:aws:iam::222222222222:role/CrossAccountReadOnly\nsource_profile = lars\nmfa_serial = %s\n", i+1, mfaSerial)
	}
	require.NoError(t, os.WriteFile(filepath.Join(home, "config"), []byte(config.String()), 0o600))
	cmd := inHome(srv, home, "chaim", args...)
	cmd.Env = append(cmd.Env, "CHAIM_URL=", "CHAIM_USER=", "CHAIM_TOKEN=")
	return cmd
}

const codePrompt = "MFA code of " + mfaSerial + " for profile p1: "

func TestCodeOnTerminal(t *testing.T) {
	unignore(t)
	srv := chaimtest.NewServer(t)
	x := onTerminal(t, guarded(t, srv, 1, "exec", "p1", "--", "sh", "-c", "echo lent"))
	x.shows(codePrompt)
	x.types("000000\n")
	x.shows("chaim: AWS refused the code; each code works once, so wait for the next one\n")
	x.shows(codePrompt)
	code := srv.MFACode(mfaSerial)
	x.types(code + "\n")
	assert.NotContains(t, x.shows("lent\n"), code)
	assert.Equal(t, 0, x.end().ExitStatus())
	isClean(t, x.home)
}

// TestTypingErrorsInTheCode are asked about again, and cost no code of the three that AWS may refuse.
func TestTypingErrorsInTheCode(t *testing.T) {
	unignore(t)
	srv := chaimtest.NewServer(t)
	x := onTerminal(t, guarded(t, srv, 1, "exec", "p1", "--", "sh", "-c", "echo lent"))
	for _, typed := range []string{"123", "", "1234567", "abcdef"} {
		x.shows(codePrompt)
		x.types(typed + "\n")
		x.shows("chaim: a code has six digits\n")
	}
	x.shows(codePrompt)
	code := srv.MFACode(mfaSerial)
	x.types(code[:2] + " " + code[2:4] + " " + code[4:] + " \n")
	x.shows("lent\n")
	assert.Equal(t, 0, x.end().ExitStatus())
	isClean(t, x.home)
}

// TestWrongCodesForManyProfiles asks three times for all profiles together.
func TestWrongCodesForManyProfiles(t *testing.T) {
	unignore(t)
	srv := chaimtest.NewServer(t)
	x := onTerminal(t, guarded(t, srv, 40, "each", "--match", "p*", "--", "true"))
	for range 3 {
		x.shows("MFA code of " + mfaSerial)
		x.shows(": ")
		x.types("000000\n")
	}
	assert.NotContains(t, x.shows("40 accounts, 40 failed"), "MFA code of "+mfaSerial+" for")
	assert.NotEqual(t, 0, x.end().ExitStatus())
	isClean(t, x.home)
}

func TestWrongCodes(t *testing.T) {
	unignore(t)
	srv := chaimtest.NewServer(t)
	x := onTerminal(t, guarded(t, srv, 1, "exec", "p1", "--", "sh", "-c", "echo lent"))
	for range 3 {
		x.shows(codePrompt)
		x.types("000000\n")
	}
	x.shows("invalid MFA one time pass code")
	assert.Equal(t, cli.ExitDenied, x.end().ExitStatus())
	isClean(t, x.home)
}

func TestInterruptAtTheCode(t *testing.T) {
	unignore(t)
	srv := chaimtest.NewServer(t)
	x := onTerminal(t, guarded(t, srv, 1, "exec", "p1", "--", "sh", "-c", "echo lent"))
	x.shows(codePrompt)
	x.types("\x03")
	status := x.end()
	assert.True(t, status.Signaled() && status.Signal() == syscall.SIGINT || status.ExitStatus() == proc.Signaled+int(syscall.SIGINT), status)
	isClean(t, x.home)
	assert.Empty(t, srv.Requests(), "nothing was asked for")
}

// TestOneCodeForManyProfiles has a bar on the terminal, which must not stand in the question.
func TestOneCodeForManyProfiles(t *testing.T) {
	unignore(t)
	srv := chaimtest.NewServer(t)
	cmd := guarded(t, srv, 40, "each", "--match", "p*", "--", "true")
	cmd.Env = append(cmd.Env, "TERM=xterm")
	x := onTerminal(t, cmd)
	x.shows("MFA code of " + mfaSerial)
	x.shows(": ")
	x.types(srv.MFACode(mfaSerial) + "\n")
	assert.NotContains(t, x.shows("40 accounts, 0 failed"), "MFA code")
	assert.Equal(t, 0, x.end().ExitStatus())
	isClean(t, x.home)
	sessions := 0
	for _, r := range srv.Requests() {
		switch r.Action {
		case "GetSessionToken":
			sessions++
		case "AssumeRole":
			assert.Regexp(t, "^lars-", r.Parameters["RoleSessionName"], "the session has the name of its user")
		}
	}
	assert.Equal(t, 1, sessions)
}

// TestCodeWithoutTerminal runs in a session without one.
func TestCodeWithoutTerminal(t *testing.T) {
	srv := chaimtest.NewServer(t)
	cmd := guarded(t, srv, 1, "exec", "p1", "--", "true")
	began := time.Now()
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Less(t, time.Since(began), 5*time.Second, "nothing is waited for")
	assert.Contains(t, string(out), "there is no terminal to ask for it on: set mfa_process in the profile, or CHAIM_MFA_COMMAND, to a command that prints the code")
	assert.Equal(t, cli.ExitFailed, cmd.ProcessState.ExitCode())
	isClean(t, cmd.Dir)
}

// TestEachWithoutTerminal fails for each profile at once.
func TestEachWithoutTerminal(t *testing.T) {
	srv := chaimtest.NewServer(t)
	cmd := guarded(t, srv, 40, "each", "--match", "p*", "--", "true")
	began := time.Now()
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Less(t, time.Since(began), 5*time.Second, "nothing is waited for")
	assert.Contains(t, string(out), "there is no terminal to ask for it on")
	assert.Contains(t, string(out), "40 accounts, 40 failed")
	assert.Empty(t, srv.Requests())
}

// TestCodeOfTheKeysThatSign has the profile in AWS_PROFILE need a code.
func TestCodeOfTheKeysThatSign(t *testing.T) {
	unignore(t)
	srv := chaimtest.NewServer(t)
	cmd := guarded(t, srv, 1, "exec", "111111111111", "CrossAccountReadOnly", "--", "sh", "-c", "echo lent")
	cmd.Env = append(cmd.Env, "AWS_PROFILE=p1")
	x := onTerminal(t, cmd)
	x.shows(codePrompt)
	x.types(srv.MFACode(mfaSerial) + "\n")
	x.shows("lent\n")
	assert.Equal(t, 0, x.end().ExitStatus())
	isClean(t, x.home)
}
