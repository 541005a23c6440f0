package server

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// Metrics are the gateway's counters. Their labels have few values, and never the name of a user, account or role. Make them
// with [NewMetrics]. Any number of goroutines may use them.
type Metrics struct {
	registry     *prometheus.Registry
	asked        *prometheus.CounterVec
	ends         *prometheus.CounterVec
	stages       *prometheus.HistogramVec
	appends      prometheus.Histogram
	batches      prometheus.Histogram
	authFailures prometheus.Counter
	marks        marks
}

// marks are the metrics of one part each.
type marks struct {
	log     logMetrics
	signIns signInMetrics
}

// NewMetrics returns metrics in a registry of their own, together with those of the Go runtime and the process.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		asked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chaim_issue_total", Help: "Answered requests for keys, by result and by the caller's program.",
		}, []string{"result", "client"}),
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chaim_issue_ends_total", Help: "Issues that have ended, by their state: issued, failed, withheld or unknown.",
		}, []string{"state"}),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chaim_issue_seconds", Help: "How long the stages of a request for keys take.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{"stage"}),
		appends: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chaim_audit_append_seconds", Help: "How long it takes until a batch of the audit log is durable.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chaim_audit_batch_size", Help: "How many changes share a batch of the audit log.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 10),
		}),
		authFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chaim_auth_failures_total", Help: "Requests with a wrong token, or for a console link with keys that are not those of the user.",
		}),
		marks: marks{newLogMetrics(), newSignInMetrics()},
	}
	m.registry.MustRegister(append(m.marks.log.all(), m.marks.signIns.all()...)...)
	m.registry.MustRegister(m.asked, m.ends, m.stages, m.appends, m.batches, m.authFailures,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

const otherLabel = "other" // for all values that are not listed

var (
	resultLabels = []string{
		"issued", "error", string(issue.BadToken), string(issue.ExpiredToken), string(issue.DisabledUser), string(issue.NoAccount),
		string(issue.AmbiguousAccount), string(issue.NoRole), string(issue.NotAllowed), string(issue.TooShort),
		string(issue.IsFrozen), string(issue.RefusedBySTS), string(issue.Unavailable), string(issue.Busy),
	}
	clientLabels = []string{"cca", "chaim", "chaim-go"}
	stageLabels  = []string{"allow", "sts", "finish"}
	stateLabels  = []string{string(store.Issued), string(store.Failed), string(store.Withheld), string(store.Unknown)}
)

func label(value string, known []string) string {
	if slices.Contains(known, value) {
		return value
	}
	return otherLabel
}

// Asked counts an answered request for keys. result is "issued", "error" or an [issue.Code]. client is the program's own
// words, such as "cca 4.1".
func (m *Metrics) Asked(result, client string) {
	name, _, _ := strings.Cut(strings.ToLower(client), " ")
	m.asked.WithLabelValues(label(result, resultLabels), label(name, clientLabels)).Inc()
}

// Ended counts an issue that has its end. Keys that were withheld, or of which it is not known whether they were made, are
// worth a look.
func (m *Metrics) Ended(s store.State) { m.ends.WithLabelValues(label(string(s), stateLabels)).Inc() }

// Stage records how long a stage of issuing took: "allow" (recording what was decided), "sts" or "finish" (recording the keys).
func (m *Metrics) Stage(stage string, took time.Duration) {
	m.stages.WithLabelValues(label(stage, stageLabels)).Observe(took.Seconds())
}

// Appended records a batch of the audit log, and how long it took until it was durable.
func (m *Metrics) Appended(changes int, took time.Duration) {
	m.batches.Observe(float64(changes))
	m.appends.Observe(took.Seconds())
}

// AuthFailed counts a wrong token, or keys that are not those of the user.
func (m *Metrics) AuthFailed() { m.authFailures.Inc() }

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// Watcher is told by the endpoints how requests end, and holds back those who guess. Both fields must be set.
type Watcher struct {
	*Metrics
	Guesses *Guesses
}

// Pause returns how long an address should pause that has sent too many wrong tokens or keys, see [Guesses.Pause].
func (w Watcher) Pause(from netip.Addr) time.Duration { return w.Guesses.Pause(from) }

// TokenFailed counts a wrong token or wrong keys, and returns how long the sender should pause, see [Guesses.Failed].
func (w Watcher) TokenFailed(from netip.Addr) time.Duration {
	w.AuthFailed()
	return w.Guesses.Failed(from)
}
