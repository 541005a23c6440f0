package chaimtest

import (
	"cmp"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Fault answers a request instead of the server. Its Request has a Body that can be read, up to 1 MiB, and a Context that
// ends when the client leaves or the server closes. A Fault that waits must return when the Context ends. Several goroutines
// may call a Fault at once.
type Fault func(w http.ResponseWriter, r *http.Request)

type injected struct {
	n     int // negative means without end
	fault Fault
}

// Inject makes f answer the next n requests to any endpoint. A negative n means all requests until [Server.Clear]. A nil f
// lets the server answer. Faults queue up in the order of the calls.
func (s *Server) Inject(n int, f Fault) {
	if n == 0 {
		return
	}
	s.set(func(*world) { s.traffic.faults = append(s.traffic.faults, injected{n, f}) })
}

// Clear removes all faults that have not happened yet.
func (s *Server) Clear() { s.set(func(*world) { s.traffic.faults = nil }) }

// SetLatency makes every request wait for d before its answer. Zero or less means no wait.
func (s *Server) SetLatency(d time.Duration) { s.set(func(*world) { s.traffic.latency = d }) }

// failure is a fault in the words of each service.
type failure struct {
	sts        stsError
	pageStatus int // of the federation endpoint
	page       string
	gateway    func(w http.ResponseWriter)
}

func (f *failure) answer(w http.ResponseWriter, r *http.Request) {
	switch {
	case isSTS(r):
		writeSTSError(w, &f.sts)
	case isFederation(r):
		writePage(w, f.pageStatus, f.page)
	default:
		f.gateway(w)
	}
}

// Refuse refuses a request. At the gateway text is the cause, such as "DataNotFound: Account not found: dev". At STS it is
// the message of an AccessDenied error, and at the federation endpoint the text of a page with status 400.
func Refuse(text string) Fault {
	f := &failure{
		stsError{http.StatusForbidden, "AccessDenied", text},
		http.StatusBadRequest, text,
		func(w http.ResponseWriter) { writeEnvelope(w, "400", refusal+text) },
	}
	return f.answer
}

// Throttle answers that there are too many requests: with status 429 at the gateway and, in a page, at the federation
// endpoint, and with the error "Throttling" and status 400 at STS. It sends a positive retryAfter as the Retry-After header,
// in seconds, rounded up.
func Throttle(retryAfter time.Duration) Fault {
	const text = "Too Many Requests"
	f := &failure{
		stsError{http.StatusBadRequest, "Throttling", "Rate exceeded"},
		http.StatusTooManyRequests, text,
		func(w http.ResponseWriter) { writeMessage(w, http.StatusTooManyRequests, text) },
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if retryAfter > 0 {
			s := (retryAfter + time.Second - 1) / time.Second
			w.Header().Set("Retry-After", strconv.FormatInt(int64(s), 10))
		}
		f.answer(w, r)
	}
}

// Status answers with an HTTP status: in API Gateway's words, such as "Endpoint request timed out" for 504, with an error
// document at STS, and with a page at the federation endpoint. It panics unless code is from 200 to 599.
func Status(code int) Fault {
	checkStatus(code)
	text := cmp.Or(http.StatusText(code), "Unknown")
	message, stsCode := text, strings.ReplaceAll(text, " ", "")
	switch code {
	case http.StatusForbidden:
		message, stsCode = "Missing Authentication Token", "AccessDenied"
	case http.StatusTooManyRequests:
		stsCode = "Throttling"
	case http.StatusInternalServerError:
		message, stsCode = "Internal server error", "InternalFailure"
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		message = "Endpoint request timed out"
	}
	f := &failure{
		stsError{code, stsCode, text},
		code, text,
		func(w http.ResponseWriter) { writeMessage(w, code, message) },
	}
	return f.answer
}

func checkStatus(code int) {
	if code < 200 || code > 599 {
		panic("chaimtest: no HTTP status: " + strconv.Itoa(code))
	}
}

// Hang never answers. It keeps the request until the client leaves or the server closes.
func Hang() Fault {
	return func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // cuts the connection
	}
}

// Garbage answers as a proxy might: with an HTML page and status 200.
func Garbage() Fault {
	const page = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>" +
		"<body><h1>Sign in to the guest network</h1></body></html>\n"
	return func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, "text/html; charset=utf-8", page)
	}
}

// Huge answers with a well-formed body of more than 1 MiB.
func Huge() Fault {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		writeHuge(w)
	}
}

// HugeGzip answers with a small compressed body that inflates to more than 1 MiB.
func HugeGzip() Fault {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		writeHuge(z)
		_ = z.Close()
	}
}

// writeHuge writes a reply of 8 MiB, and stops if the client leaves.
func writeHuge(w io.Writer) {
	_, _ = io.WriteString(w, `{"response_type":"ephemeral","statusCode":"200","text":"`)
	block := strings.Repeat("x", 64<<10)
	for range 128 {
		if _, err := io.WriteString(w, block); err != nil {
			return
		}
	}
	_, _ = io.WriteString(w, `"}`)
}

// Redirect redirects to url with status 307, which asks the client to repeat the POST there, with its secrets.
func Redirect(url string) Fault {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", url)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

// Reply answers as the gateway does on success, with exactly this text.
func Reply(text string) Fault {
	return func(w http.ResponseWriter, _ *http.Request) { writeEnvelope(w, "200", text) }
}

// Body answers with status 200 and exactly this body, for instance "null".
func Body(body string) Fault {
	return func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, "application/json", body) }
}

// STSError answers any request with an error document of STS, for instance STSError(403, "ExpiredToken", "The security token
// included in the request is expired"). It panics unless status is from 200 to 599.
func STSError(status int, code, message string) Fault {
	checkStatus(status)
	return func(w http.ResponseWriter, _ *http.Request) {
		writeSTSError(w, &stsError{status, code, message})
	}
}

// Rewrite lets the server answer, and replaces the body with the result of change: for working keys in a wrong reply. Status
// and content type stay the same. Several goroutines may call change at once. The Fault only works through [Server.Inject].
func Rewrite(change func(body string) string) Fault {
	return func(w http.ResponseWriter, r *http.Request) {
		x, ok := r.Context().Value(exchangeKey{}).(*exchange)
		if !ok {
			panic("chaimtest: Rewrite was not injected")
		}
		answer := &heldAnswer{status: http.StatusOK, header: http.Header{}}
		inner := *x
		inner.ResponseWriter = answer
		inner.answer()
		write(w, answer.status, answer.header.Get("Content-Type"), change(answer.body.String()))
	}
}

// heldAnswer is a ResponseWriter that keeps the answer.
type heldAnswer struct {
	status int
	header http.Header
	body   strings.Builder
}

func (a *heldAnswer) Header() http.Header         { return a.header }
func (a *heldAnswer) WriteHeader(code int)        { a.status = code }
func (a *heldAnswer) Write(p []byte) (int, error) { return a.body.Write(p) }

// write answers with a body.
func write(w http.ResponseWriter, status int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // fails only if the client left
}
