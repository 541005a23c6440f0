package audit

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
)

// ForkError says that a log is not the one of its last checkpoint: an older copy of the database, or one that was changed.
type ForkError struct {
	Checkpoint Checkpoint // the last one
	Head       Head       // the end of the log in the database
	From       int64      // the first batch that can be lost: the one after the newest checkpoint that the log still holds
}

func (e *ForkError) Error() string {
	if e.Head.Seq < e.Checkpoint.Seq {
		return fmt.Sprintf("the audit log ends at batch %d, but it had batch %d at the checkpoint of %s: the database is an older copy; "+
			"restore a newer one, or serve with --accept-fork", e.Head.Seq, e.Checkpoint.Seq, e.Checkpoint.when())
	}
	return fmt.Sprintf("batch %d of the audit log is not the one of the checkpoint of %s: the database was changed or is another one; "+
		"run chaim-gateway audit verify, or serve with --accept-fork", e.Checkpoint.Seq, e.Checkpoint.when())
}

// CompareLast compares a log with its last checkpoint. The error is a *ForkError if the log lacks what the checkpoint says.
// Without checkpoints there is nothing to compare.
func CompareLast(ctx context.Context, points []Checkpoint, head Head, hashAt func(context.Context, int64) (Hash, error)) error {
	if len(points) == 0 {
		return nil
	}
	for i, c := range slices.Backward(points) {
		holds := c.Seq <= head.Seq
		if holds {
			hash, err := hashAt(ctx, c.Seq)
			if err != nil {
				return err
			}
			holds = hash == c.Hash
		}
		switch {
		case holds && i == len(points)-1:
			return nil
		case holds:
			return &ForkError{points[len(points)-1], head, c.Seq + 1}
		}
	}
	return &ForkError{points[len(points)-1], head, 1}
}

// Lost returns the details with which the event gateway.restored accepts a fork: from which batch on the log of the last
// checkpoint is lost. Verify then tells the checkpoints of the lost part from others.
func (e *ForkError) Lost() map[string]string {
	return map[string]string{
		"lost_from": strconv.FormatInt(e.From, 10), "lost_to": strconv.FormatInt(e.Checkpoint.Seq, 10),
		"lost_hash": base64.StdEncoding.EncodeToString(e.Checkpoint.Hash[:]),
	}
}

// loss is a part of a log that an operator has accepted as lost.
type loss struct {
	from, to int64
	hash     string   // of the last checkpoint in it
	said     Position // the event that says so
}

func parseLoss(details map[string]string) (l loss, ok bool) {
	var err error
	if l.from, err = strconv.ParseInt(details["lost_from"], 10, 64); err != nil {
		return l, false
	}
	l.to, err = strconv.ParseInt(details["lost_to"], 10, 64)
	l.hash = details["lost_hash"]
	return l, err == nil
}

// covers reports whether the i-th checkpoint is of the lost part: it was made before or at the checkpoint that the loss names.
func (l loss) covers(points []Checkpoint, i int) bool {
	if points[i].Seq < l.from || points[i].Seq > l.to {
		return false
	}
	for _, c := range points[i:] {
		if c.Seq == l.to && base64.StdEncoding.EncodeToString(c.Hash[:]) == l.hash {
			return true
		}
	}
	return false
}
