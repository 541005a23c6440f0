package chaim

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lease"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const sweepTimeout = time.Second // of the sweep that New makes

// Swept is one thing that a dead process had left behind, and that is gone now.
type Swept struct {
	Path    string // the file that was removed, or the credentials file
	Profile string // the profile that was removed from it; empty for a file
}

// Sweep removes what processes that ended without closing their scopes left behind: profiles, the files of scopes and
// temporary files. What belongs to a live scope stays, and so does a profile whose key id was changed since, but for other temporary keys
// of the same account, as cca renews them. A profile
// whose lease is in another folder than "chaim" beside this credentials file is removed once its keys have expired. dir is
// as in [Options].Dir. It returns what is gone, and the errors of [Client.RequestKeys] that concern the file. On a full disk
// the keys are overwritten where they stand, if that can be done, and their lines stay; the error says so.
//
// [New] sweeps too, so that programs need not. Any number of processes may do so at once.
func Sweep(ctx context.Context, dir string) ([]Swept, error) {
	path, err := sharedfile.CredentialsPath(dir)
	if err != nil {
		return nil, err
	}
	file := sharedfile.File{Path: path}
	if file.CanStore() != nil {
		return nil, nil // so that nothing is left there
	}
	doc, err := file.Read()
	if err != nil {
		return nil, err
	}
	return sweep(ctx, file, doc, true)
}

func sweep(ctx context.Context, file sharedfile.File, doc []byte, isThorough bool) ([]Swept, error) {
	gone, err := lease.Sweep(ctx, file, doc, isThorough)
	if !errors.Is(err, sharedfile.ErrUnsafe) {
		temps, tempErr := lease.Sweep(ctx, parkedBeside(file), nil, isThorough) // of a file that no scope writes to
		gone, err = append(gone, temps...), errors.Join(err, tempErr)
	}
	var swept []Swept
	for _, s := range gone {
		swept = append(swept, Swept(s))
	}
	return swept, err
}

// sweep removes what is left of a scope of others beside its profile, such as the file of a [Process].
func (c *Client) sweep(ctx context.Context) error {
	doc, err := c.file.Read()
	if err == nil {
		_, err = lease.Sweep(ctx, c.file, doc, true)
	}
	return err
}

// lookAtFile warns of what a user should know about the credentials file, and sweeps. What stands in the way of that is
// only logged, but for an unsafe file, with which no edit of a client with a profile would work.
func (c *Client) lookAtFile() error {
	path, log := c.file.Path, c.opts.Logger
	if c.file.CanStore() != nil {
		return nil // such as /dev/null, or a pipe, which may be for another program to read
	}
	if info, err := os.Stat(path); err == nil && sharedfile.IsOpen(info) {
		log.Warn("chaim: credentials file is open to other users, until chaim next writes it", "path", path)
	}
	doc, err := c.file.Read()
	if err == nil {
		if line, what := inifile.Damage(doc); what != "" {
			log.Warn("chaim: the AWS CLI and boto3 cannot read the credentials file", "path", path, "line", line, "what", what)
		}
		ctx, cancel := context.WithTimeout(context.Background(), sweepTimeout)
		defer cancel()
		var swept []Swept
		swept, err = sweep(ctx, c.file, doc, false)
		for _, s := range swept {
			log.Info("chaim: removed what a dead process left", "path", s.Path, "profile", s.Profile)
		}
	}
	switch {
	case errors.Is(err, sharedfile.ErrUnsafe) && !c.opts.NoProfile:
		return err
	case errors.Is(err, context.DeadlineExceeded): // as on a busy machine; the next client goes on from there
		log.Info("chaim: what dead processes left is not all removed yet", "path", path, "error", err)
	case err != nil:
		log.Warn("chaim: what dead processes left cannot be removed", "path", path, "error", err)
	}
	return nil
}
