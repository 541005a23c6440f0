package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// logMetrics say whether the audit log is in order.
type logMetrics struct {
	intents, oldest, forked prometheus.Gauge
	checkpointFailures      prometheus.Counter
}

func newLogMetrics() logMetrics {
	return logMetrics{
		intents: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chaim_intents_open", Help: "Issues that were allowed and have no end yet.",
		}),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chaim_intents_oldest_seconds", Help: "Age of the oldest issue that has no end yet; zero if all have one.",
		}),
		forked: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chaim_audit_forked", Help: "1 once this replica has met an audit log that is not the one it has seen, and writes no more.",
		}),
		checkpointFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chaim_checkpoint_failures_total", Help: "Checkpoints of the audit log that could not be written.",
		}),
	}
}

func (l logMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{l.intents, l.oldest, l.forked, l.checkpointFailures}
}

// IntentsOpen sets how many issues have no end yet, and the age of the oldest.
func (m *Metrics) IntentsOpen(n int, oldest time.Duration) {
	m.marks.log.intents.Set(float64(n))
	m.marks.log.oldest.Set(oldest.Seconds())
}

// Forked records that this replica has met an audit log that is not the one it has seen.
func (m *Metrics) Forked() { m.marks.log.forked.Set(1) }

// CheckpointFailed counts a checkpoint that could not be written.
func (m *Metrics) CheckpointFailed() { m.marks.log.checkpointFailures.Inc() }
