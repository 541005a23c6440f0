package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
)

// screen is what stands on a terminal. It knows the escape sequences that chaim writes.
type screen struct {
	lines       [][]rune
	row, column int
}

var sequence = regexp.MustCompile(`\x1b\[([?0-9]*)([A-Za-z])`)

func (s *screen) write(text string) {
	for text != "" {
		if at := sequence.FindStringSubmatchIndex(text); at != nil && at[0] == 0 {
			n, _ := strconv.Atoi(text[at[2]:at[3]])
			s.obey(text[at[4]:at[5]], n)
			text = text[at[1]:]
			continue
		}
		r := []rune(text)[0]
		s.put(r)
		text = text[len(string(r)):]
	}
}

func (s *screen) obey(command string, n int) {
	switch command {
	case "A":
		s.row = max(s.row-n, 0)
	case "C":
		s.column += n
	case "J":
		s.line()
		s.lines = s.lines[:s.row+1]
		fallthrough
	case "K":
		line := s.line()
		*line = (*line)[:min(s.column, len(*line))]
	}
}

func (s *screen) line() *[]rune {
	for len(s.lines) <= s.row {
		s.lines = append(s.lines, nil)
	}
	return &s.lines[s.row]
}

func (s *screen) put(r rune) {
	switch r {
	case '\r':
		s.column = 0
	case '\n':
		s.row++
	default:
		line := s.line()
		for len(*line) <= s.column {
			*line = append(*line, ' ')
		}
		(*line)[s.column] = r
		s.column++
	}
}

func (s *screen) String() string {
	var b strings.Builder
	for _, line := range s.lines {
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

// picking is a terminal on which chaim shows a list.
type picking struct {
	*session
	screen screen
}

// pick starts a command on a terminal of 80 columns and 24 lines.
func pick(t *testing.T, srv *chaimtest.Server, home string, words ...string) *picking {
	t.Helper()
	unignore(t)
	cmd := inHome(srv, home, words[0], words[1:]...)
	cmd.Env = append(cmd.Env, "TERM=xterm", "LC_ALL=C.UTF-8", "NO_COLOR=1")
	x := onTerminal(t, cmd)
	p := &picking{session: x}
	p.resize(24, 80)
	return p
}

// resize leaves the file as it is: Fd would end its read deadline.
func (p *picking) resize(rows, columns uint16) {
	p.t.Helper()
	conn, err := p.keys.SyscallConn()
	require.NoError(p.t, err)
	require.NoError(p.t, conn.Control(func(fd uintptr) {
		err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns})
	}))
	require.NoError(p.t, err)
}

// draws waits for a text and the end of the drawing that has it, and returns what stands on the terminal then.
func (p *picking) draws(text string) string {
	p.t.Helper()
	p.screen.write(p.shows(text) + text)
	p.screen.write(p.shows("\x1b[?25h"))
	return p.screen.String()
}

// left returns what stands on the terminal at the end of a command.
func (p *picking) left() string {
	rest, _ := io.ReadAll(p.lines) // an error when all have closed it
	p.screen.write(string(rest))
	return p.screen.String()
}

const accountList = `Which account?
> Connected Homes  222222222222
  O'Brien          333333333333
  sredev           111111111111
  3 of 3; Enter takes, Esc leaves`

func TestPickAccount(t *testing.T) {
	srv := chaimtest.NewServer(t)
	home := newHome(t)
	p := pick(t, srv, home, "chaim", "exec", "--", "sh", "-c", "echo got $CHAIM_ACCOUNT as $CHAIM_ROLE")
	assert.Equal(t, accountList, p.draws("3 of 3; Enter takes, Esc leaves"))
	p.types("BR")
	assert.Equal(t, `Which account? BR
> O'Brien          333333333333
  1 of 3; Enter takes, Esc leaves`, p.draws("1 of 3; Enter takes, Esc leaves"))
	p.types("\x15")
	assert.Equal(t, accountList, p.draws("3 of 3; Enter takes, Esc leaves"))
	p.types("\x1b[B\x1b[B")
	p.draws("> sredev")
	p.types("\x1b[A\x1b[A\r")
	assert.Zero(t, p.end().ExitStatus())
	assert.Equal(t, "got Connected Homes as rro", p.left(), "nothing else is left on the terminal")
	isClean(t, home)
}

func TestPickNothing(t *testing.T) {
	for name, leave := range map[string]func(p *picking){
		"Esc":    func(p *picking) { p.types("sre\x1b") },
		"Ctrl-C": func(p *picking) { p.types("\x03") },
		"Ctrl-D": func(p *picking) { p.types("\x04") },
		"signal": func(p *picking) { _ = p.Process.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			srv, home := chaimtest.NewServer(t), newHome(t)
			p := pick(t, srv, home, "chaim", "account")
			tty, err := os.OpenFile("/proc/"+strconv.Itoa(p.Process.Pid)+"/fd/0", os.O_RDWR|unix.O_NOCTTY, 0)
			require.NoError(t, err)
			p.draws("Esc leaves")
			leave(p)
			want := proc.Signaled + int(syscall.SIGINT)
			if name == "signal" {
				want = proc.Signaled + int(syscall.SIGTERM)
			}
			assert.Equal(t, want, p.end().ExitStatus())
			mode, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
			require.NoError(t, err)
			assert.NotZero(t, mode.Lflag&unix.ICANON, "the terminal reads lines again")
			require.NoError(t, tty.Close())
			talk := ""
			if name == "signal" {
				talk = "chaim: ended by signal: terminated"
			}
			assert.Equal(t, talk, p.left())
			for _, r := range srv.Requests() {
				assert.NotEqual(t, "Keys", r.Action)
			}
			isClean(t, home)
		})
	}
}

func TestPickOnAnotherSize(t *testing.T) {
	srv, home := chaimtest.NewServer(t), newHome(t)
	for i := range 20 {
		srv.AddAccount(strconv.Itoa(444444444400+i), "account-"+strconv.Itoa(i))
	}
	srv.AddAccount("555555555555", "a\x1b[31m\u202e"+strings.Repeat("世", 100))
	p := pick(t, srv, home, "chaim", "account")
	text := p.draws("24 of 24; Enter takes, Esc leaves")
	assert.Len(t, strings.Split(text, "\n"), 11, text)
	assert.Contains(t, text, "> a\ufffd[31m\ufffd世世")
	p.resize(4, 30)
	text = p.draws("Esc l")
	assert.Regexp(t, `^Which account\?
> a\x{fffd}\[31m\x{fffd}世{21}
  account-0 +4+0
  24 of 24; Enter takes, Esc l$`, text)
	p.types("sredev\r")
	assert.Zero(t, p.end().ExitStatus())
	assert.Regexp(t, `^chaim: profile "sredev": expires .*\n +sredev$`, p.left())
}

// withCenter makes the Identity Center the only source of keys, to which the user is signed in.
func withCenter(t *testing.T, srv *chaimtest.Server, home string) {
	t.Helper()
	config := "[sso-session corp]\nsso_start_url = " + srv.StartURL() + "\nsso_region = eu-central-1\n"
	require.NoError(t, os.WriteFile(filepath.Join(home, "config"), []byte(config), 0o600))
	cache := filepath.Join(home, ".aws", "sso", "cache")
	require.NoError(t, os.MkdirAll(cache, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(cache, "ee0bfd2552fbd840c02cc48b6e823320543c450f.json"), srv.SignIn(), 0o600))
}

func TestPickRole(t *testing.T) {
	srv, home := chaimtest.NewServer(t), newHome(t)
	withCenter(t, srv, home)
	srv.AddAccount("444444444444", "tiny", "CrossAccountReadOnly")
	chaim := []string{"env", "CHAIM_URL=", "CHAIM_USER=", "CHAIM_TOKEN=", "chaim", "exec"}
	program := []string{"--", "sh", "-c", "echo got $CHAIM_ACCOUNT as $CHAIM_ROLE"}

	p := pick(t, srv, home, append(chaim, program...)...)
	p.draws("4 of 4; Enter takes, Esc leaves")
	p.types("sredev\r")
	assert.Equal(t, `Which role in sredev?
> CrossAccountAdminUser
  CrossAccountPowerUser
  CrossAccountReadOnly
  CrossAccountSysAdmin
  4 of 4; Enter takes, Esc leaves`, p.draws("4 of 4; Enter takes, Esc leaves"))
	p.types("pow\r")
	assert.Zero(t, p.end().ExitStatus())
	assert.Equal(t, "got sredev as CrossAccountPowerUser", p.left())

	p = pick(t, srv, home, append(chaim, program...)...)
	p.draws("4 of 4; Enter takes, Esc leaves")
	p.types("tiny\r") // which has one role
	assert.Zero(t, p.end().ExitStatus())
	assert.Equal(t, "got tiny as CrossAccountReadOnly", p.left())

	p = pick(t, srv, home, append(append(chaim, "-r", "CrossAccountSysAdmin"), program...)...)
	p.draws("4 of 4; Enter takes, Esc leaves")
	p.types("sredev\r")
	assert.Zero(t, p.end().ExitStatus())
	assert.Equal(t, "got sredev as CrossAccountSysAdmin", p.left())

	p = pick(t, srv, home, append(append([]string{"env", "CHAIM_ROLE=CrossAccountAdminUser"}, chaim[1:]...), program...)...)
	p.draws("4 of 4; Enter takes, Esc leaves")
	p.types("sredev\r")
	assert.Zero(t, p.end().ExitStatus())
	assert.Equal(t, "got sredev as CrossAccountAdminUser", p.left(), "the default needs no choice")
	isClean(t, home)
}

func TestPickProfile(t *testing.T) {
	srv, home := chaimtest.NewServer(t), newHome(t)
	config := "[profile team-a]\nsource_profile = foreign\nrole_arn = arn:aws:iam::111111111111:role/CrossAccountReadOnly\n" +
		"[profile keys]\naws_access_key_id = AKIAEXAMPLE000000001\naws_secret_access_key = s\n"
	require.NoError(t, os.WriteFile(filepath.Join(home, "config"), []byte(config), 0o600))
	p := pick(t, srv, home, "env", "CHAIM_URL=", "CHAIM_USER=", "CHAIM_TOKEN=", "chaim", "exec", "--env", "--", "sh", "-c", "echo got $CHAIM_ACCOUNT $AWS_ACCESS_KEY_ID")
	p.draws("Esc leaves")
	p.types("keys\r")
	assert.Zero(t, p.end().ExitStatus())
	assert.Equal(t, "got keys AKIAEXAMPLE000000001", p.left())
	isClean(t, home)
}

// TestPickForTheDefault has 'chaim url' without a default account, and with one. The list is not on stdout.
func TestPickForTheDefault(t *testing.T) {
	srv, home := chaimtest.NewServer(t), newHome(t)
	p := pick(t, srv, home, "sh", "-c", "chaim url >link")
	p.draws("3 of 3; Enter takes, Esc leaves")
	p.types("sredev\r")
	assert.Zero(t, p.end().ExitStatus())
	assert.Empty(t, p.left())
	link, err := os.ReadFile(filepath.Join(home, "link"))
	require.NoError(t, err)
	assert.Regexp(t, `^https://\S+\n$`, string(link))

	p = pick(t, srv, home, "sh", "-c", "chaim account sredev -D >/dev/null 2>&1; chaim url >link")
	assert.Zero(t, p.end().ExitStatus())
	assert.NotContains(t, p.left(), "Which account?")
}

// TestNoPick has streams that are no terminal, or one that obeys no escape sequences.
func TestNoPick(t *testing.T) {
	srv, home := chaimtest.NewServer(t), newHome(t)
	for name, script := range map[string]string{
		"stdin":              "chaim exec </dev/null",
		"stderr":             "chaim exec 2>talk; code=$?; cat talk; exit $code",
		"terminal":           "TERM=dumb chaim exec",
		"credential-process": "chaim credential-process",
		"wrong flag":         "chaim exec -r ''",
		"no program":         "chaim exec --",
	} {
		t.Run(name, func(t *testing.T) {
			p := pick(t, srv, home, "sh", "-c", script)
			assert.Equal(t, cli.ExitUsage, p.end().ExitStatus())
			assert.Regexp(t, "^chaim: (which account|--role is empty|nothing stands after --)", p.left())
			assert.Empty(t, srv.Requests())
		})
	}
}
