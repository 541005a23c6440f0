package chaim_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// openAfter throttles until that long after the first request.
func openAfter(d, retryAfter time.Duration) chaimtest.Fault {
	var once sync.Once
	var opens time.Time
	return func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { opens = time.Now().Add(d) })
		if time.Now().Before(opens) {
			chaimtest.Throttle(retryAfter)(w, r)
			return
		}
		chaimtest.Rewrite(func(body string) string { return body })(w, r)
	}
}

func TestEachWaitsWhileThrottled(t *testing.T) {
	for _, retryAfter := range []time.Duration{0, 5 * time.Second, time.Hour} {
		for _, ofSTS := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				accounts, opts := eachOf(t, srv, 100)
				opts.Parallel = 50
				if ofSTS {
					keys := srv.AddKeys("sredev", "somebody")
					opts.Sources = func(a chaim.Account) aws.CredentialsProvider {
						return &chaim.STS{RoleARN: "arn:aws:iam::" + a.ID + ":role/CrossAccountReadOnly", Region: "eu-west-1", HTTPClient: srv.HTTPClient(), Keys: credentials.StaticCredentialsProvider{Value: keys}}
					}
				}
				srv.Inject(-1, openAfter(4*time.Minute, retryAfter))
				start := time.Now()
				assert.NoError(t, chaim.Each(t.Context(), accounts, opts, doNothing))
				assert.WithinRange(t, time.Now(), start.Add(4*time.Minute), start.Add(5*time.Minute))
				assert.LessOrEqual(t, len(srv.Requests()), 100+50+40+120)
			})
		}
	}
}

func TestEachLosesPatienceWithThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		accounts, opts := eachOf(t, srv, 500)
		opts.Parallel = 50
		srv.Inject(-1, chaimtest.Throttle(0))
		start := time.Now()
		err := chaim.Each(t.Context(), accounts, opts, doNothing)
		assert.Len(t, failedOf(t, err), 500)
		var refusal *chaim.GatewayError
		require.ErrorAs(t, err, &refusal)
		assert.Equal(t, http.StatusTooManyRequests, refusal.StatusCode)
		assert.WithinRange(t, time.Now(), start.Add(5*time.Minute), start.Add(5*time.Minute+30*time.Second))
	})
}

// manyRequests lets so many through in a second, as an API Gateway does.
type manyRequests struct {
	rate   float64
	mu     sync.Mutex
	tokens float64
	filled time.Time
}

func (l *manyRequests) answer(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	now := time.Now()
	l.tokens = min(l.rate, l.tokens+now.Sub(l.filled).Seconds()*l.rate)
	l.filled = now
	isOver := l.tokens < 1
	if !isOver {
		l.tokens--
	}
	l.mu.Unlock()
	if isOver {
		chaimtest.Throttle(0)(w, r)
		return
	}
	chaimtest.Rewrite(func(body string) string { return body })(w, r)
}

func TestEachKeepsToTheRateOfTheGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		srv.SetLatency(100 * time.Millisecond)
		accounts, opts := eachOf(t, srv, 200)
		opts.Parallel = 50
		srv.Inject(-1, (&manyRequests{rate: 10}).answer)
		start := time.Now()
		assert.NoError(t, chaim.Each(t.Context(), accounts, opts, doNothing))
		assert.Less(t, time.Since(start), 30*time.Second, "20 seconds would do")
		assert.LessOrEqual(t, len(srv.Requests()), 300)
	})
}

func TestEachWaitsForALimitLongerThanACallMayTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		accounts, opts := eachOf(t, srv, 200)
		opts.Parallel = 200 // the last one waits for 200 seconds
		srv.Inject(-1, (&manyRequests{rate: 1}).answer)
		assert.NoError(t, chaim.Each(t.Context(), accounts, opts, doNothing))
	})
}

func TestEachAsksAgain(t *testing.T) {
	for status, want := range map[int]int{503: 3, 403: 1} {
		synctest.Test(t, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			accounts, opts := eachOf(t, srv, 1)
			srv.Inject(-1, chaimtest.Status(status))
			assert.Error(t, chaim.Each(t.Context(), accounts, opts, doNothing))
			assert.Len(t, srv.Requests(), want, status)
		})
	}
}

func TestEachEndsWaitingForAThrottlingGateway(t *testing.T) {
	for _, retryAfter := range []time.Duration{0, 20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			accounts, opts := eachOf(t, srv, 100)
			srv.Inject(-1, chaimtest.Throttle(retryAfter))
			ctx, cancel := context.WithTimeout(t.Context(), 31*time.Second)
			defer cancel()
			start := time.Now()
			err := chaim.Each(ctx, accounts, opts, doNothing)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Len(t, failedOf(t, err), 100)
			assert.Equal(t, 31*time.Second, time.Since(start))
		})
	}
}
