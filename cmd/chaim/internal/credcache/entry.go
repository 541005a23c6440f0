package credcache

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
)

const (
	version     = 1
	maxFailures = 1 << 20
)

// plain is credentials that JSON shows.
type plain chaim.AwsCreds

// entry is what a file holds. The zero value knows nothing.
type entry struct {
	Version  int
	Key      string    // that the file was written for
	Keys     *plain    `json:",omitempty"` // nil without any
	Received time.Time // when Keys came
	Due      time.Time // when to ask again
	Failures int       // since Keys came
	Failed   time.Time // the last time
	Reason   string    // of that; empty without a failure
	Kinds    []string  `json:",omitempty"` // of that
}

// parse reads an entry of that key. Whatever it is that chaim did not write is as good as nothing.
func parse(key string, text []byte) entry {
	var e entry
	switch err := json.Unmarshal(text, &e); {
	case err != nil, e.Version != version, e.Key != key, e.Failures < 0, e.Failures > maxFailures:
		return entry{}
	case e.Keys != nil && keys.Malformed(e.Keys.AccessKeyID, e.Keys.SecretAccessKey, e.Keys.SessionToken) != "":
		return entry{}
	case e.Reason != "":
		e.Reason = fit(errors.New(prefix + e.Reason)) // as it was made fit when it was written
	}
	return e
}

const prefix = "chaim: "

// fit is the text of an error in one line. What is not chaim's is without what looks like a secret: fetch is chaim's own.
func fit(err error) string {
	if text := err.Error(); strings.HasPrefix(text, prefix) {
		err = errtext.Chain(text)
	}
	return errtext.Unprefixed(awssts.Foreign(err, profiles.AWSFiles{}))
}

// left is how long there are valid keys. What came after now is none, as a clock that was set back would make it last
// longer.
func (e entry) left(now time.Time) time.Duration {
	if e.Keys == nil || now.Before(e.Received) {
		return 0
	}
	return max(0, e.Keys.Expires.Sub(now))
}

func (e entry) isValid(now time.Time) bool { return e.left(now) > 0 }

func (e entry) creds() chaim.AwsCreds { return chaim.AwsCreds(*e.Keys) }

// Format prints no secret, whatever the verb.
func (e entry) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "credcache.entry") }

// LogValue keeps the secrets out of structured logs.
func (e entry) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(e)) }
