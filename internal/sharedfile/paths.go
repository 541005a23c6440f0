package sharedfile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/lazyregexp"
)

const maxLinks = 8

// isMissing reports whether a file is not there. That is so too where a folder of its path is a file, such as /dev/null.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// Resolve follows symbolic links by hand: the file is replaced where it is, the link stays, and a link to a file that
// does not exist yet is followed too.
func Resolve(path string) (string, error) {
	target, _, err := follow(path)
	return target, err
}

// leadsTo reports whether a link goes where its text says. That of an open file, such as /dev/fd/63 of a shell, may say
// what there is no path to.
func leadsTo(path, text string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return true // a link to what is not there yet
	}
	there, err := os.Stat(text)
	return err == nil && os.SameFile(info, there)
}

// follow also returns the links.
func follow(path string) (target string, links []string, err error) {
	start := path
	for range maxLinks {
		// Not cleaned: "a/../b" is elsewhere than "b" if a is a link.
		dir, base := filepath.Split(path)
		dir, err := filepath.EvalSymlinks(cmp.Or(dir, "."))
		if isMissing(err) {
			return path, links, nil
		}
		if err != nil {
			return "", nil, errtext.Wrap(err, "cannot resolve %s", path)
		}
		path = filepath.Join(dir, base)
		info, err := os.Lstat(path)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return path, links, nil
		}
		if err := checkLink(path, info); err != nil {
			return "", nil, err
		}
		link, err := os.Readlink(path)
		if err != nil {
			return "", nil, errtext.Wrap(err, "cannot resolve %s", path)
		}
		if !filepath.IsAbs(link) {
			link = dir + string(filepath.Separator) + link
		}
		if !leadsTo(path, link) {
			return path, links, nil
		}
		links, path = append(links, path), link
	}
	return "", nil, refusal(start, fmt.Sprintf("cannot resolve %s: more than %d symbolic links", start, maxLinks), syscall.ELOOP)
}

func (f File) follow() (target string, links []string, err error) {
	if f.Unknown != nil {
		return "", nil, f.Unknown
	}
	return follow(f.Path)
}

// ErrNoStore means that nothing can be stored under the path of a file, as there is a device or a pipe.
var ErrNoStore = errors.New("chaim: no place to store in")

// CanStore returns nil for a file, and for one that is missing and can be made. Otherwise it is [ErrNoStore], and says what
// to do.
func (f File) CanStore() error {
	target, _, err := f.follow()
	if err != nil {
		return err
	}
	info, err := os.Stat(target)
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return noStore(f.Path, "whose folder is a file", syscall.ENOTDIR)
	case err == nil && !info.Mode().IsRegular():
		return noStore(f.Path, "which is "+kindOf(info)+" and not a regular file", syscall.EINVAL)
	}
	return nil // what else hinders shows when it is written
}

func noStore(path, why string, kind error) error {
	text := fmt.Sprintf("chaim: nothing can be stored in %s, %s: name a file in AWS_SHARED_CREDENTIALS_FILE, or use keys without a profile", path, why)
	return errtext.Chain(text, ErrNoStore, &fs.PathError{Op: "write", Path: path, Err: kind})
}

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
