package chaim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// A scope has a random id. In a folder beside the credentials file a lease, a file named after that id, is locked for as
// long as the scope lives; however its process ends, the lock ends with it. The section carries the id, and a hash by
// which anybody can tell whether it still is what the scope wrote. So what the dead left can be found and removed without
// a record of it.

const (
	scopeFolder      = "chaim"
	leaseExtension   = ".lease"
	processExtension = ".json"

	leaseTimeout = 10 * time.Second
	leasePoll    = time.Millisecond
	sweepTimeout = time.Second // of a sweep that nobody asked for
)

var (
	scopeRule = regexp.MustCompile(`^([A-Z2-7]{26})-[0-9a-f]{16}$`)
	fileRule  = regexp.MustCompile(`^([A-Z2-7]{26})(\.lease|\.json)$`)
)

// scopeMark is what a scope leaves in its section: its id, and a hash of that and what gives access there.
func scopeMark(id string, pairs map[string]string) string {
	sum := sha256.Sum256([]byte(id + "\n" + pairs["aws_access_key_id"] + "\n" + pairs[inifile.ProcessKey]))
	return id + "-" + hex.EncodeToString(sum[:8])
}

// scopeOf returns the id of the scope that wrote a section, or "", and whether the section is still as it wrote it.
func scopeOf(pairs map[string]string) (id string, isIntact bool) {
	match := scopeRule.FindStringSubmatch(pairs[inifile.ScopeKey])
	if match == nil {
		return "", false
	}
	return match[1], scopeMark(match[1], pairs) == match[0]
}

// scopeFiles is the folder for the files of scopes, beside the file that the credentials are really in.
func scopeFiles(path string) (string, error) {
	target, err := sharedfile.Resolve(path)
	return filepath.Join(filepath.Dir(target), scopeFolder), err
}

// takeLease makes the lease of a scope and locks it. The caller has the lock of the credentials file, and so nobody
// sweeps between the two.
func takeLease(folder, id string) (*flock.Flock, error) {
	if err := sharedfile.MakeFolder(folder); err != nil {
		return nil, err
	}
	path := filepath.Join(folder, id+leaseExtension)
	if err := sharedfile.CheckOwner(path); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaseTimeout)
	defer cancel()
	l := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	// Somebody may be looking whether it is locked.
	if _, err := l.TryLockContext(ctx, leasePoll); err != nil {
		return nil, errors.Join(errtext.Wrap(err, "cannot lock lease %s", path), removeIfThere(path))
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(errtext.Wrap(err, "cannot make lease %s private", path), l.Close(), removeIfThere(path))
	}
	return l, nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// isHeld reports whether the scope lives. In doubt it does.
func isHeld(folder, id string) bool {
	l := flock.New(filepath.Join(folder, id+leaseExtension), flock.SetFlag(os.O_RDWR))
	isFree, err := l.TryRLock()
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	return errors.Join(err, l.Close()) != nil || !isFree
}

// isLive reports whether the section belongs to a scope that may still run.
func isLive(folder string, pairs map[string]string) bool {
	id, _ := scopeOf(pairs)
	if id == "" {
		return !hasExpired(pairs) // written by something else
	}
	return isHeld(folder, id)
}

// Swept is one thing that a dead process had left behind, and that is gone now.
type Swept struct {
	Path    string // the file that was removed, or the credentials file
	Profile string // the profile that was removed from it; empty for a file
}

// Sweep removes what processes that ended without closing their scopes left behind: profiles, the files of scopes and
// temporary files. What belongs to a live scope stays, and so does a profile whose key id was changed since. dir is as
// in [Options].Dir. It returns what is gone, and the errors of [Client.RequestKeys] that concern the file.
//
// [New] sweeps too, so that programs need not. Any number of processes may do so at once.
func Sweep(ctx context.Context, dir string) ([]Swept, error) {
	path, err := sharedfile.CredentialsPath(dir)
	if err != nil {
		return nil, err
	}
	return sweep(ctx, sharedfile.File{Path: path})
}

func sweep(ctx context.Context, file sharedfile.File) ([]Swept, error) {
	folder, err := scopeFiles(file.Path)
	if err != nil {
		return nil, err
	}
	doc, err := file.Read()
	if err != nil {
		return nil, err
	}
	if profiles, files := remains(doc, folder); len(profiles)+len(files) == 0 && !file.IsInterrupted() {
		return nil, nil
	}

	var gone, files []string
	var refusals error
	err = file.Edit(ctx, func(doc []byte) (_ []byte, err error) {
		var profiles []string
		profiles, files = remains(doc, folder)
		refusals = nil
		for _, name := range profiles {
			after, err := inifile.Delete(doc, name)
			if err != nil {
				refusals = errors.Join(refusals, err)
				continue
			}
			doc = after
			if !slices.Contains(gone, name) {
				gone = append(gone, name)
			}
		}
		return doc, nil
	})
	if err != nil {
		return nil, err
	}
	var swept []Swept
	for _, name := range gone {
		swept = append(swept, Swept{file.Path, name})
	}
	// Nobody makes files of these names again, so they need no lock.
	for _, path := range files {
		if err := os.Remove(path); err == nil {
			swept = append(swept, Swept{Path: path})
		} else if !errors.Is(err, fs.ErrNotExist) {
			refusals = errors.Join(refusals, errtext.Wrap(err, "cannot remove what a dead process left"))
		}
	}
	return swept, refusals
}

// remains lists what the dead left. Temporary files are of the dead only if the caller has the lock.
func remains(doc []byte, folder string) (profiles, files []string) {
	known := map[string]bool{}
	isDead := func(id string) bool {
		dead, ok := known[id]
		if !ok {
			dead = !isHeld(folder, id)
			known[id] = dead
		}
		return dead
	}
	for _, s := range inifile.Scan(doc) {
		if !s.HasScope(doc) {
			continue
		}
		if id, isIntact := scopeOf(s.Managed(doc)); isIntact && isDead(id) {
			profiles = append(profiles, s.Name)
		}
	}
	for _, dir := range []string{filepath.Dir(folder), folder} {
		entries, _ := os.ReadDir(dir) // what cannot be listed holds nothing of ours
		for _, e := range entries {
			isTemp, _ := filepath.Match(sharedfile.TempPattern, e.Name())
			if match := fileRule.FindStringSubmatch(e.Name()); isTemp || dir == folder && match != nil && isDead(match[1]) {
				files = append(files, filepath.Join(dir, e.Name()))
			}
		}
	}
	return profiles, files
}

// sweepQuietly keeps what stands in the way of a sweep from whoever did not ask for one.
func sweepQuietly(file sharedfile.File) {
	ctx, cancel := context.WithTimeout(context.Background(), sweepTimeout)
	defer cancel()
	swept, err := sweep(ctx, file)
	for _, s := range swept {
		file.Log.Info("chaim: removed what a dead process left", "path", s.Path, "profile", s.Profile)
	}
	if err != nil {
		file.Log.Warn("chaim: what dead processes left cannot be removed", "path", file.Path, "error", strings.TrimSpace(err.Error()))
	}
}
