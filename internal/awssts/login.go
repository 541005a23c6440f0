package awssts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/logincreds"
	"github.com/aws/aws-sdk-go-v2/service/signin"

	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/turn"
)

// loginKeys gives the keys of a sign-in by 'aws login', or of a role that the same profile assumes with them.
type loginKeys struct {
	sdk    aws.Config
	asker  Asker
	source awsprofile.Source
}

// logins has each sign-in by the path of its file.
var logins sync.Map

// login is a sign-in of this process. Its keys are used by one goroutine at a time.
type login struct {
	turn   turn.Lock
	failed time.Time // when an early renewal failed
}

// renewalPause is how long no caller renews the keys after a renewal has failed. The keys are still valid.
const renewalPause = 30 * time.Second

// The SDKs and the AWS CLI write the file of the sign-in in place, so a reader may find a part of it.
const tornPatience, tornPoll = time.Second, 10 * time.Millisecond

// Retrieve asks the SDK, for one caller of a process at a time, because the SDK renews the sign-in without a lock. It first
// renews keys that end soon. It reads a torn file again.
func (k loginKeys) Retrieve(ctx context.Context) (aws.Credentials, error) {
	path, err := logincreds.StandardCachedTokenFilepath(k.source.Pairs["login_session"], os.Getenv("AWS_LOGIN_CACHE_DIRECTORY"))
	if err != nil {
		return aws.Credentials{}, err
	}
	known, _ := logins.LoadOrStore(path, &login{})
	l := known.(*login)
	if err := l.turn.Take(ctx); err != nil {
		return aws.Credentials{}, errtext.Wrap(err, "waiting for the sign-in of profile %s", keys.QuoteShort(k.source.Profile))
	}
	defer l.turn.Give()
	if time.Since(l.failed).Abs() > renewalPause {
		if err := k.renewEarly(ctx, path); err != nil {
			l.failed = time.Now()
			k.asker.Log.Debug("chaim: a sign-in by 'aws login' is not renewed yet", "profile", k.source.Profile, "error", Foreign(err, k.asker.Files))
		}
	}
	torn := &tornReader{next: k.sdk.Credentials}
	for began := time.Now(); ; {
		creds, err := k.asker.Signer.Retrieve(ctx, torn)
		switch {
		case err == nil:
			return creds, nil
		case !torn.isTorn || time.Since(began) > tornPatience:
			return creds, k.explain(err)
		}
		if err := pause(ctx, tornPoll); err != nil {
			return creds, err
		}
	}
}

// renewEarly renews keys that end soon. After an error they are still valid. A renewal that has begun goes on after the end
// of ctx, because AWS may accept its refresh token only once.
func (k loginKeys) renewEarly(ctx context.Context, path string) error {
	return k.asker.Files.RenewLogin(ctx, path, func(path string) error {
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), STSTimeout)
		defer stop()
		client := signin.NewFromConfig(k.sdk, func(o *signin.Options) { o.RetryMaxAttempts = 1 })
		_, err := logincreds.New(client, path).Retrieve(ctx)
		return err
	})
}

// tornReader notes whether the SDK has read a torn file. The redacted error has no causes, so it does not tell that.
type tornReader struct {
	next   aws.CredentialsProvider
	isTorn bool
}

// Retrieve calls the SDK.
func (r *tornReader) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, err := r.next.Retrieve(ctx)
	r.isTorn = errors.As(err, new(*json.SyntaxError))
	return creds, err
}

// explain says how a person signs in again, if that helps.
func (k loginKeys) explain(err error) error {
	if !strings.Contains(err.Error(), "reauthenticate") && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errtext.Because(keys.ErrDenied, errtext.Chain(fmt.Sprintf("%s: run 'aws login --profile %s'", errtext.Unprefixed(err), k.source.Profile), err))
}
