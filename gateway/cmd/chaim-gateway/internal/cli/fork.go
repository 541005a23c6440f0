package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

// Checkpoints reads the checkpoints of the configuration. Without a file there are none.
func Checkpoints(s *Session, ring *token.Ring) (points []audit.Checkpoint, wrong []audit.Finding, err error) {
	if s.Config.Audit.Checkpoints == "" {
		return nil, nil, nil
	}
	file := audit.CheckpointFile{Path: s.Config.Audit.Checkpoints}
	return file.Read(note.VerifierList(ring.Verifiers()...))
}

// CompareWithCheckpoints refuses an audit log that lacks what its last checkpoint says, and a last checkpoint that says nothing.
func CompareWithCheckpoints(ctx context.Context, s *Session, ring *token.Ring) error {
	if s.Config.Audit.Checkpoints != "" {
		file := audit.CheckpointFile{Path: s.Config.Audit.Checkpoints}
		if err := file.CheckLast(note.VerifierList(ring.Verifiers()...)); err != nil {
			return err
		}
	}
	return s.compare(ctx, ring)
}

// compare compares the audit log with the checkpoints that can be read.
func (s *Session) compare(ctx context.Context, ring *token.Ring) error {
	points, _, err := Checkpoints(s, ring)
	if err != nil {
		return err
	}
	return s.DB.CheckFork(ctx, points)
}

// AcceptFork goes on with the database as it is.
func AcceptFork(ctx context.Context, a *App, c *config.Config) error {
	s, err := OpenWith(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(s.beginAnew(ctx, a), s.Close())
}

// beginAnew ends all that a lost part of the log may have ended, holds all issuing, and records what is known to be lost.
func (s *Session) beginAnew(ctx context.Context, a *App) error {
	ring, err := s.Ring()
	if err != nil {
		return err
	}
	details := map[string]string{}
	var fork *audit.ForkError
	if err := s.compare(ctx, ring); errors.As(err, &fork) {
		details = fork.Lost()
	} else if err != nil {
		return err
	}
	head, err := s.DB.Head(ctx)
	if err != nil {
		return err
	}
	ring, err = token.Update(s.Config.KeyRing, killAll)
	if err != nil {
		return err
	}
	details["batch"], details["key"] = fmt.Sprint(head.Seq), ring.PepperID()
	at := s.Event(audit.GatewayRestored, "").At
	if err := s.Append(ctx, store.Restored(s.Actor, at, HeldAfterRestore, details)); err != nil {
		return err
	}
	if err := s.writeCheckpoint(ctx, ring); err != nil {
		return err
	}
	view, err := s.DB.View(ctx)
	if err != nil {
		return err
	}
	next := "'chaim-gateway apply' has run"
	if view.Frozen != HeldAfterRestore {
		next = "'chaim-gateway thaw' has run, since it was frozen already: " + Printable(view.Frozen)
	}
	a.Say("the audit log goes on after batch %d; all tokens have ended, and nothing is lent until %s", head.Seq, next)
	a.Say("look at 'chaim-gateway user list' first: a user who was disabled after the backup is active again")
	return nil
}

// writeCheckpoint makes the end of the log the last checkpoint, so that the log is compared with that from now on.
func (s *Session) writeCheckpoint(ctx context.Context, ring *token.Ring) error {
	if s.Config.Audit.Checkpoints == "" {
		return nil
	}
	head, err := s.DB.Head(ctx)
	if err != nil {
		return err
	}
	signed, err := audit.Checkpoint{GatewayID: s.DB.ID(), Head: head, At: time.Now()}.Sign(ring.Signer())
	if err != nil {
		return err
	}
	return audit.CheckpointFile{Path: s.Config.Audit.Checkpoints}.Append(signed)
}

// killAll ends all keys for tokens.
func killAll(r *token.Ring) (_ *token.Ring, err error) {
	for _, k := range r.Keys() {
		if k.Use != "tokens" || k.State == token.Dead {
			continue
		}
		if r, err = r.KillPepper(k.ID); err != nil {
			return nil, err
		}
	}
	return r, nil
}
