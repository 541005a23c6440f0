package credcache

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/renewal"
)

const (
	version     = 1
	maxFailures = 1 << 20
)

// kinds are the errors that [errors.Is] also finds in a failure of another process.
var kinds = []error{chaim.ErrDenied, chaim.ErrUnreachable, chaim.ErrNotConfigured, chaim.ErrExpired}

// plain is keys that JSON shows.
type plain chaim.AwsCreds

// entry is what a file holds. The zero value knows nothing.
type entry struct {
	Version  int
	Key      string    // for which the file was written
	Keys     *plain    `json:",omitempty"` // nil without any
	Received time.Time // when Keys came
	Due      time.Time // when to ask again
	lastFailure
}

// lastFailure is the last failure since the keys came.
type lastFailure struct {
	Failures int // in a row
	Failed   time.Time
	Reason   string   // empty without a failure
	Kinds    []string `json:",omitempty"` // texts of kinds
}

// parse reads the entry of a key. It returns the zero value for text that chaim did not write.
func parse(key string, text []byte) entry {
	var e entry
	switch err := json.Unmarshal(text, &e); {
	case err != nil, e.Version != version, e.Key != key, e.Failures < 0, e.Failures > maxFailures:
		return entry{}
	case e.Keys != nil && keys.Malformed(e.Keys.AccessKeyID, e.Keys.SecretAccessKey, e.Keys.SessionToken) != "":
		return entry{}
	case e.Reason != "":
		e.Reason = fit(errors.New(prefix + e.Reason)) // another program may have changed it
	}
	return e
}

const prefix = "chaim: "

// fit is the text of an error in one line. Errors that are not chaim's lose what looks like a secret.
func fit(err error) string {
	if text := err.Error(); strings.HasPrefix(text, prefix) {
		err = errtext.Chain(text)
	}
	return errtext.Unprefixed(awssts.Foreign(err, profiles.AWSFiles{}))
}

// left is how long there are valid keys. Keys from the future count as none: the clock was set back, and they would seem to
// last longer.
func (e entry) left(now time.Time) time.Duration {
	if e.Keys == nil || now.Before(e.Received) {
		return 0
	}
	return max(0, e.Keys.Expires.Sub(now))
}

func (e entry) isValid(now time.Time) bool { return e.left(now) > 0 }

func (e entry) isFresh(now time.Time) bool { return e.isValid(now) && now.Before(e.Due) }

func (e entry) creds() chaim.AwsCreds { return chaim.AwsCreds(*e.Keys) }

// outlives reports whether the keys are others than the new ones, and expire later.
func (e entry) outlives(creds aws.Credentials) bool {
	return creds.CanExpire && e.Keys.AccessKeyID != creds.AccessKeyID && e.Keys.Expires.After(creds.Expires)
}

// failure returns the failure of another process, as the answer to callers that come soon after it or have waited for it.
// Nil means to ask again.
func (e entry) failure(started, now time.Time) error {
	until := e.Failed.Add(min(e.Due.Sub(e.Failed), renewal.LazyPause))
	if e.Reason == "" || now.Before(e.Failed) || e.Failed.Before(started) && !now.Before(until) {
		return nil
	}
	causes := slices.DeleteFunc(slices.Clone(kinds), func(kind error) bool { return !slices.Contains(e.Kinds, kind.Error()) })
	ago := now.Sub(e.Failed).Round(time.Second)
	return errtext.Chain(fmt.Sprintf("chaim: %s (the answer to another process, %s ago)", e.Reason, ago), causes...)
}

// failed returns the entry after a failed attempt.
func (e entry) failed(key string, now time.Time, err error) entry {
	left := e.left(now)
	if left <= 0 {
		e.Keys = nil
	}
	e.Key, e.Due = key, now.Add(renewal.RetryDelay(err, e.Failures+1, left, rand.Float64()))
	e.lastFailure = lastFailure{Failures: e.Failures + 1, Failed: now, Reason: fit(err)}
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			e.Kinds = append(e.Kinds, kind.Error())
		}
	}
	return e
}

// Format prints no secret, whatever the verb.
func (e entry) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "credcache.entry") }

// LogValue keeps the secrets out of structured logs.
func (e entry) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(e)) }
