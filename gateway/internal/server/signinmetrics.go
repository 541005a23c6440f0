package server

import "github.com/prometheus/client_golang/prometheus"

// signInMetrics count how people and programs sign in.
type signInMetrics struct {
	browsers, programs *prometheus.CounterVec
}

func newSignInMetrics() signInMetrics {
	return signInMetrics{
		browsers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chaim_sign_ins_total", Help: "Sign-ins of browsers, by result: provider or link, which signed in, refused or failed.",
		}, []string{"result"}),
		programs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chaim_logins_total", Help: "Logins of programs, by kind (code or device) and result: approved, denied, issued or failed.",
		}, []string{"kind", "result"}),
	}
}

func (s signInMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{s.browsers, s.programs}
}

var (
	signInResults = []string{"provider", "link", "refused", "failed"}
	loginKinds    = []string{"code", "device"}
	loginResults  = []string{"approved", "denied", "issued", "failed"}
)

// SignedIn counts a sign-in of a browser.
func (m *Metrics) SignedIn(result string) {
	m.marks.signIns.browsers.WithLabelValues(label(result, signInResults)).Inc()
}

// LoggedIn counts a step of the login of a program.
func (m *Metrics) LoggedIn(kind, result string) {
	m.marks.signIns.programs.WithLabelValues(label(kind, loginKinds), label(result, loginResults)).Inc()
}
