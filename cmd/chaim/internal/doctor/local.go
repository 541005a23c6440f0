package doctor

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const (
	largeFile    = 1 << 20     // bytes
	lockPatience = time.Second // an edit takes milliseconds
	lockPoll     = 5 * time.Millisecond
)

// files are the credentials file and the AWS config file.
type files struct {
	path, target string            // of the credentials file, and of the file to which its links lead
	doc, config  *inifile.Document // empty if they cannot be read
	managed      []string          // names of the profiles of chaim
}

// checkFiles checks both files, and those of chaim beside them.
func (r *report) checkFiles(log *slog.Logger) files {
	f := files{doc: inifile.Parse(nil), config: inifile.Parse(nil)}
	var err error
	if f.path, err = awsenv.CredentialsPath(""); err == nil {
		f.target, err = sharedfile.Resolve(f.path)
	}
	if err != nil {
		r.add("credentials file", failed(err).advise("set AWS_SHARED_CREDENTIALS_FILE, or mend the link"))
		return f
	}
	info, err := os.Stat(f.target)
	isFile := err == nil && info.Mode().IsRegular()
	r.add("credentials file", checkPlace(f, info, err))
	book := profiles.Open(f.path, nil, log)
	if isFile {
		r.add("contents", f.readCredentials(book))
	}
	if isFile || err != nil || info.IsDir() { // not a device
		r.add("permissions", checkAccess(f, isFile && sharedfile.IsOpen(info)))
	}
	r.add("config file", f.readConfig())
	r.add("lock", checkLock(f.target+".lock", lockFile))
	if left, leases, err := book.Leftovers(); err == nil && left+leases == 0 { // the contents tell of an error
		r.add("leftovers", ok("nothing is left of programs that died"))
	} else if err == nil {
		r.add("leftovers", warn("programs that died left %s and %s", term.Counted(left, "profile", "profiles"),
			term.Counted(leases, "file", "files")).advise("run 'chaim sweep'"))
	}
	return f
}

// checkPlace says where the credentials file is.
func checkPlace(f files, info fs.FileInfo, err error) check {
	found := f.path + " (the usual place)"
	if os.Getenv("AWS_SHARED_CREDENTIALS_FILE") != "" {
		found = f.path + " (from AWS_SHARED_CREDENTIALS_FILE)"
	}
	if f.target != f.path {
		found += ", a link to " + f.target
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ok("%s does not exist; it is made when it is needed", found)
	case err != nil:
		return failed(err).advise("make it readable for you")
	case info.IsDir():
		return fail("%s is not a regular file", found).advise("move it away, or set AWS_SHARED_CREDENTIALS_FILE")
	case !info.Mode().IsRegular():
		return warn("%s is not a regular file, so that no profile can be stored", found).
			advise("set AWS_SHARED_CREDENTIALS_FILE to a file; inside 'chaim exec --serve' it is right as it is")
	}
	return ok("%s, %d bytes, mode %04o", found, info.Size(), info.Mode().Perm())
}

// readCredentials reads the credentials file.
func (f *files) readCredentials(book *profiles.Book) check {
	doc, err := book.Read()
	if err != nil {
		return failed(err).advise("make it readable for you")
	}
	f.doc = doc
	entries, _ := book.List()
	for _, e := range entries {
		f.managed = append(f.managed, e.Name)
	}
	sections, size := term.Counted(len(doc.Sections()), "section", "sections"), len(doc.Bytes())
	switch line, what := inifile.Damage(doc.Bytes()); {
	case what != "":
		return fail("line %d of %s: %s", line, f.path, what).
			advise("put that line right; until then the AWS CLI and boto3 read none of the file")
	case size > largeFile:
		return warn("%s, %d of them managed by chaim, %d bytes", sections, len(entries), size).
			advise("remove what is not needed: each edit writes the whole file")
	}
	return ok("%s, %d of them managed by chaim", sections, len(entries))
}

// checkAccess checks who may read the credentials file, and who may write or replace it.
func checkAccess(f files, isOpen bool) check {
	dir := filepath.Dir(f.target)
	folder, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return ok("folder %s does not exist; it is made when it is needed", dir)
	}
	ownerErr := sharedfile.CheckOwner(f.target)
	isInterrupted, backupErr := sharedfile.File{Path: f.path}.IsInterrupted()
	switch {
	case ownerErr != nil:
		return failed(ownerErr).advise("chaim edits no such file: change that, or set AWS_SHARED_CREDENTIALS_FILE")
	case backupErr != nil:
		return failed(backupErr).advise("until then no command that changes the credentials file works")
	case isOpen:
		return warn("%s is open to other users", f.target).advise("chmod 600 " + f.target)
	case err == nil && sharedfile.IsOpen(folder) && folder.Mode().Perm()&0o020 != 0:
		return warn("the group of folder %s may replace the credentials file", dir).advise("chmod g-w " + dir)
	case isInterrupted:
		return warn("a program died while it wrote the credentials file").advise("run 'chaim sweep', which puts it right")
	}
	return ok("only you may write the file and its folder")
}

// readConfig reads the AWS config file, and looks for what SDKs prefer to keys in profiles of chaim.
func (f *files) readConfig() check {
	path, err := awsenv.ConfigPath()
	var text []byte
	if err == nil {
		text, err = sharedfile.File{Path: path}.Read()
		f.config = inifile.Parse(text)
	}
	switch line, what := inifile.Damage(text); {
	case err != nil:
		return warn("%s", errtext.Unprefixed(err)).advise("make it readable for you")
	case len(text) == 0:
		return ok("%s does not exist or is empty, and need not be there", path)
	case what != "":
		return warn("line %d of %s: %s", line, path, what).
			advise("put that line right; the AWS CLI and boto3 may read none of the file")
	}
	for _, profile := range append(f.managed, profiles.DefaultName) {
		if section, key := f.config.Rival(profile); key != "" {
			return warn("section [%s] of %s has %s, which SDKs use in place of the keys in profile %s", section, path, key, profile).
				advise("rename that section, or lend under another name with --alias")
		}
	}
	return ok("%s leaves the profiles of chaim alone", path)
}

// checkLock checks that a lock file can be locked, and that it keeps other processes out: some network file systems do not.
func checkLock(path string, lock func(path string) (*sharedfile.Side, error)) check {
	held, err := lock(path)
	for start := time.Now(); held == nil && err == nil && time.Since(start) < lockPatience; held, err = lock(path) {
		time.Sleep(lockPoll)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ok("there is no lock file yet on which locks could be tried")
	case errors.Is(err, sharedfile.ErrUnsafe):
		return failed(err).advise("until then no command that changes the credentials file works")
	case err != nil:
		return warn("whether locks work cannot be tried on %s: %v", path, err).
			advise("make it yours, or remove it while nothing uses chaim")
	case held == nil:
		return fail("%s holds %s for more than %s", sharedfile.LockHolder(path), path, lockPatience).
			advise("wait for that program, or end it; one that is stopped goes on with 'kill -CONT'")
	}
	defer held.Close()
	switch second, err := lock(path); {
	case err != nil:
		return warn("whether %s keeps others out cannot be told: %v", path, err).
			advise("keep the credentials file on a local file system")
	case second != nil:
		defer second.Close()
		return fail("two programs can lock %s at the same time", path).
			advise("the file system has no working locks: keep the credentials file on another, with AWS_SHARED_CREDENTIALS_FILE")
	}
	return ok("%s can be locked, and keeps others out", path)
}

// lockFile locks a lock file. It returns nil while another process holds the lock.
func lockFile(path string) (*sharedfile.Side, error) {
	return sharedfile.LockSide(path, os.O_RDONLY, false)
}

// checkEnvironment looks for variables that SDKs prefer to profiles. 'chaim exec' does not pass them on.
func checkEnvironment(f files) check {
	profile := cmp.Or(os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"))
	section, err := f.doc.Section(profile) // an error means that there are two
	switch found := awsenv.Keys(os.Environ()); {
	case len(found) > 0:
		return warn("%s may win over profiles, or go with keys of another account, in programs that chaim does not start",
			strings.Join(found, ", ")).advise("unset " + strings.Join(found, " "))
	case profile == "":
		return ok("no variable wins over the profiles")
	case profile != inifile.DefaultSection && section == nil && err == nil && !f.config.HasConfig(profile):
		return warn("there is no profile %q, which AWS_PROFILE or AWS_DEFAULT_PROFILE names", profile).
			advise("unset AWS_PROFILE AWS_DEFAULT_PROFILE")
	}
	return ok("programs that name no profile use %q", profile)
}

func checkCoreDumps() check {
	if err := proc.ForbidCoreDumps(); err != nil {
		return warn("cannot be switched off: %v", err).advise("switch them off with 'ulimit -c 0': they would hold keys")
	}
	return ok("are off for this program")
}

func checkTerminal(out *term.Outlet) check {
	switch {
	case !term.IsTerminal(out):
		return ok("stdout is none: no colors and no bars")
	case !term.HasColors(out):
		return ok("without colors, as NO_COLOR or TERM says")
	}
	return ok("with colors")
}

// toolSettings are settings that make tools use other keys than those that are lent. docs/tools.md describes them.
// variable is an expression for NAME=value. file is in the home folder, and must contain sign.
var toolSettings = []struct{ tool, variable, file, sign string }{
	{tool: "restic", variable: `^(MINIO_ACCESS_KEY|MINIO_ROOT_USER)=.`},
	{tool: "rclone", variable: `^RCLONE_S3_[^=]*=.`, file: ".config/rclone/rclone.conf"},
	{tool: "s3cmd", file: ".s3cfg", sign: "access_key"},
	{tool: "s4cmd", variable: `^S3_ACCESS_KEY=.`},
	{tool: "s3fs", variable: `^AWSACCESSKEYID=.`, file: ".passwd-s3fs"},
	{tool: "Litestream", variable: `^LITESTREAM_(ACCESS_KEY_ID|SECRET_ACCESS_KEY)=.`},
	{tool: "mc", variable: `^MC_HOST_[^=]*=.`},
	{tool: "AWS CDK", file: ".cdk.json", sign: `"profile"`},
	{tool: "boto", file: ".boto", sign: "aws_access_key_id"},
	{tool: "Java", variable: `^(JAVA_TOOL_OPTIONS|MAVEN_OPTS|GRADLE_OPTS)=.*-Daws\.`},
}

// checkTools looks for tools that would use keys of their own. 'chaim exec' passes on these settings.
func checkTools() check {
	var found []string
	home, homeErr := os.UserHomeDir()
	for _, s := range toolSettings {
		var where []string
		isOne := regexp.MustCompile("(?s)" + cmp.Or(s.variable, "^$"))
		for _, variable := range os.Environ() {
			if isOne.MatchString(variable) {
				name, _, _ := strings.Cut(variable, "=")
				where = append(where, name)
			}
		}
		slices.Sort(where)
		if homeErr == nil && s.file != "" {
			text, err := sharedfile.File{Path: filepath.Join(home, s.file)}.Read()
			if err == nil && len(text) > 0 && bytes.Contains(text, []byte(s.sign)) {
				where = append(where, "~/"+s.file)
			}
		}
		if len(where) > 0 {
			found = append(found, s.tool+" ("+strings.Join(where, ", ")+")")
		}
	}
	if len(found) == 0 {
		return ok("none that is known has keys of its own")
	}
	return warn("%s: may use keys of their own, whatever is lent to them", strings.Join(found, ", ")).
		advise("see docs/tools.md, or take them away where they should use what is lent")
}
