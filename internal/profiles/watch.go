package profiles

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"time"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// watchInterval is how often a scope checks its profile. If another program writes back an old copy of the file, the profile
// may be missing for that long.
const watchInterval = 500 * time.Millisecond

// startWatching starts the watcher, unless the profile is kept.
func (h held) startWatching() {
	if h.spec.Keep {
		return
	}
	s, watched := h.Scope, make(chan struct{})
	h.state.watched = watched
	go func() {
		defer close(watched)
		s.watch(s.life)
	}()
}

// watch writes the profile again when another program has overwritten it.
func (s *Scope) watch(ctx context.Context) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	path := s.Path()
	var seen fs.FileInfo
	var trouble string
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		info, err := os.Stat(path)
		isSame := err == nil && seen != nil && sharedfile.SameVersion(info, seen)
		isRestored, err := s.restore(ctx, isSame)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			if err.Error() != trouble {
				trouble = err.Error()
				s.book.log.Warn("chaim: cannot look after profile", "profile", s.Name(), "error", err)
			}
			continue
		case isRestored:
			s.book.log.Warn("chaim: profile was changed or removed, and is written again", "profile", s.Name(), "path", path)
		}
		seen, trouble = info, ""
	}
}

// hasFiles reports whether the files of the scope beside the credentials file are there, and as they were written.
func (h held) hasFiles() bool {
	return h.state.lease != nil && h.state.lease.note != note{} && h.state.lease.isAsWritten()
}

// isAsWritten reports whether the profile still holds our keys.
func (h held) isAsWritten(doc *inifile.Document) (bool, error) {
	pairs, _, err := doc.Managed(h.state.section)
	if err != nil {
		return false, err
	}
	_, isIntact := markOf(pairs)
	hasKeys := h.spec.Process ||
		pairs["aws_secret_access_key"] == h.state.grant.SecretAccessKey && pairs["aws_session_token"] == h.state.grant.SessionToken
	return isIntact && hasKeys && h.state.lease != nil && pairs[inifile.ScopeKey] == h.state.lease.mark, nil
}

// restore writes the profile and its files again if they are not as they were written. It does not touch a section that is
// another program's by now. With isSame the credentials file is the same as at the last call, and restore need not read it.
func (s *Scope) restore(ctx context.Context, isSame bool) (isRestored bool, err error) {
	h := s.hold()
	hasFiles, file := h.hasFiles(), h.file()
	h.release()
	if hasFiles {
		if isSame {
			return false, nil
		}
		doc, err := read(file)
		if err != nil {
			return false, err
		}
		h := s.hold()
		isAsWritten, err := h.isAsWritten(doc)
		if isAsWritten {
			err = h.state.lease.reserve(len(doc.Bytes()), h.state.grant) // the file may have grown
		}
		h.release()
		if isAsWritten || err != nil {
			return false, err
		}
	}
	err = s.put(ctx, func(h held, doc *inifile.Document) error {
		pairs, exists, err := doc.Managed(h.state.section)
		if err != nil || exists && !h.owns(pairs) || h.state.grant.Expired() {
			isRestored = false
			return err
		}
		if !h.hasFiles() {
			h.state.lease.forget()
			isRestored = true
		}
		before := doc.Bytes()
		err = h.write(doc)
		isRestored = isRestored || !bytes.Equal(before, doc.Bytes())
		return err
	}, func(h held) error {
		if !isRestored {
			return nil
		}
		return h.writeNote()
	})
	return isRestored && err == nil, err
}
