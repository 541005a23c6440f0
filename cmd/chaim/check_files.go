package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// largeFile is a credentials file that each edit takes noticeably long to write.
const largeFile = 1 << 20

// awsFiles are the files of the user that chaim and the AWS SDKs read.
type awsFiles struct {
	path, target string // of the credentials file, and where its links lead
	doc          []byte // nil where it cannot be read
	config       []byte // the AWS config file; nil without one
}

// checkFiles looks at the credentials file, its folder, and the config file beside it.
func (c *checkup) checkFiles() awsFiles {
	var f awsFiles
	const name = "credentials file"
	var err error
	if f.path, err = awsenv.CredentialsPath(""); err == nil {
		f.target, err = sharedfile.Resolve(f.path)
	}
	if err != nil {
		c.fail(name, errtext.Unprefixed(err), "set AWS_SHARED_CREDENTIALS_FILE, or mend the link")
		return f
	}
	found := f.path + " (the usual place)"
	if os.Getenv("AWS_SHARED_CREDENTIALS_FILE") != "" {
		found = f.path + " (from AWS_SHARED_CREDENTIALS_FILE)"
	}
	if f.target != f.path {
		found += ", a link to " + f.target
	}
	info, err := os.Stat(f.target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.ok(name, "%s does not exist; it is made when it is needed", found)
	case err != nil:
		c.fail(name, errtext.Unprefixed(err), "make it readable for you")
	case info.IsDir():
		c.fail(name, found+" is not a regular file", "move it away, or set AWS_SHARED_CREDENTIALS_FILE")
	case !info.Mode().IsRegular(): // such as the null device
		c.warn(name, found+" is not a regular file, so that no profile can be stored",
			"set AWS_SHARED_CREDENTIALS_FILE to a file; inside 'chaim exec --serve' it is right as it is")
		c.checkConfig(&f)
		return f
	default:
		c.ok(name, "%s, %d bytes, mode %04o", found, info.Size(), info.Mode().Perm())
		c.checkContents(&f, info)
	}
	c.checkAccess(f, info)
	c.checkConfig(&f)
	return f
}

// checkContents looks at what the credentials file holds.
func (c *checkup) checkContents(f *awsFiles, info fs.FileInfo) {
	const name = "contents"
	doc, err := sharedfile.File{Path: f.path}.Read()
	if err != nil {
		c.fail(name, errtext.Unprefixed(err), "make it readable for you")
		return
	}
	f.doc = doc
	if line, what := inifile.Damage(doc); what != "" {
		c.fail(name, fmt.Sprintf("line %d of %s: %s", line, f.path, what),
			"put that line right; until then the AWS CLI and boto3 read none of the file")
		return
	}
	sections := inifile.Parse(doc).Sections()
	found := fmt.Sprintf("%s, %d of them managed by chaim", counted(len(sections), "section", "sections"), len(f.managed()))
	if info.Size() > largeFile {
		c.warn(name, fmt.Sprintf("%s, %d bytes", found, info.Size()),
			"remove what is not needed: each edit writes the whole file")
		return
	}
	c.ok(name, "%s", found)
}

// checkAccess looks at who may read the credentials file, and write it or another in its place. info is nil without one.
func (c *checkup) checkAccess(f awsFiles, info fs.FileInfo) {
	const name = "permissions"
	dir := filepath.Dir(f.target)
	folder, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		c.ok(name, "folder %s does not exist; it is made when it is needed", dir)
		return
	}
	isShared := err == nil && sharedfile.IsOpen(folder) && folder.Mode().Perm()&0o020 != 0
	isOpen := info != nil && info.Mode().IsRegular() && sharedfile.IsOpen(info)
	if err := sharedfile.CheckOwner(f.target); err != nil {
		c.fail(name, errtext.Unprefixed(err), "chaim edits no such file: change that, or set AWS_SHARED_CREDENTIALS_FILE")
		return
	}
	isInterrupted, err := sharedfile.File{Path: f.path}.IsInterrupted()
	switch {
	case err != nil:
		c.fail(name, errtext.Unprefixed(err), "until then no command that changes the credentials file works")
	case isOpen:
		c.warn(name, f.target+" is open to other users", "chmod 600 "+f.target)
	case isShared:
		c.warn(name, fmt.Sprintf("the group of folder %s may replace the credentials file", dir), "chmod g-w "+dir)
	case isInterrupted:
		c.warn(name, "a program died while it wrote the credentials file", "run 'chaim sweep', which puts it right")
	default:
		c.ok(name, "only you may write the file and its folder")
	}
}

// checkConfig looks for what the AWS config file says of profiles that chaim writes.
func (c *checkup) checkConfig(f *awsFiles) {
	const name = "config file"
	path, err := awsenv.ConfigPath()
	if err == nil {
		f.config, err = sharedfile.File{Path: path}.Read()
	}
	if err != nil {
		c.warn(name, errtext.Unprefixed(err), "make it readable for you")
		return
	}
	if len(f.config) == 0 {
		c.ok(name, "%s does not exist or is empty, and need not be there", path)
		return
	}
	if line, what := inifile.Damage(f.config); what != "" {
		c.warn(name, fmt.Sprintf("line %d of %s: %s", line, path, what),
			"put that line right; the AWS CLI and boto3 may read none of the file")
		return
	}
	for _, profile := range append(f.managed(), "tempname") {
		if section, key := inifile.Parse(f.config).Rival(profile); key != "" {
			c.warn(name, fmt.Sprintf("section [%s] of %s has %s, which SDKs use in place of the keys in profile %s",
				section, path, key, profile),
				"rename that section, or lend under another name with --alias")
			return
		}
	}
	c.ok(name, "%s leaves the profiles of chaim alone", path)
}

// managed are the names of the profiles that have an account.
func (f *awsFiles) managed() []string {
	var names []string
	for _, s := range inifile.Parse(f.doc).Sections() {
		if s.Managed()[inifile.MarkerKey] != "" && !slices.Contains(names, s.Name()) {
			names = append(names, s.Name())
		}
	}
	return names
}
