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

// A Fault answers a request in place of the server. Its Request has a Body that can be read, up to 1 MiB, and a Context
// that ends when the client leaves or the server closes, for which a Fault that waits must watch. A Fault may be called
// from several goroutines at once.
type Fault func(w http.ResponseWriter, r *http.Request)

type injected struct {
	n     int // negative means without end
	fault Fault
}

// Inject has the next n requests, wherever they go, answered by f; a negative n means all requests until
// [Server.Clear], and zero none. A nil f lets requests through. Faults queue up: those injected later come after those
// injected before.
func (s *Server) Inject(n int, f Fault) {
	if n == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, injected{n, f})
}

// Clear takes back all faults that have not happened yet.
func (s *Server) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Refuse says no: the gateway's refusal with text as its cause, such as "DataNotFound: Account not found: dev", at STS
// an AccessDenied error with text as its message, or at the federation endpoint a page with that text and status 400.
func Refuse(text string) Fault {
	return func(w http.ResponseWriter, r *http.Request) {
		if isSTS(r) {
			writeSTSError(w, &stsError{status: http.StatusForbidden, code: "AccessDenied", message: text})
			return
		}
		if isFederation(r) {
			writePage(w, http.StatusBadRequest, text)
			return
		}
		writeEnvelope(w, "400", refusal+text)
	}
}

// Throttle says that there are too many requests: status 429 at the gateway and, with a page, at the federation endpoint,
// error "Throttling" with status 400 at STS. A positive retryAfter is sent as the Retry-After header, in whole seconds,
// rounded up.
func Throttle(retryAfter time.Duration) Fault {
	return func(w http.ResponseWriter, r *http.Request) {
		if retryAfter > 0 {
			s := (retryAfter + time.Second - 1) / time.Second
			w.Header().Set("Retry-After", strconv.FormatInt(int64(s), 10))
		}
		if isSTS(r) {
			writeSTSError(w, &stsError{status: http.StatusBadRequest, code: "Throttling", message: "Rate exceeded"})
			return
		}
		if isFederation(r) {
			writePage(w, http.StatusTooManyRequests, "Too Many Requests")
			return
		}
		writeMessage(w, http.StatusTooManyRequests, "Too Many Requests")
	}
}

// Status answers with an HTTP status in API Gateway's words, for instance "Endpoint request timed out" for 504, with an
// error document at STS, or with a page at the federation endpoint. It panics unless code is from 200 to 599.
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
	return func(w http.ResponseWriter, r *http.Request) {
		if isSTS(r) {
			writeSTSError(w, &stsError{status: code, code: stsCode, message: text})
			return
		}
		if isFederation(r) {
			writePage(w, code, text)
			return
		}
		writeMessage(w, code, message)
	}
}

func checkStatus(code int) {
	if code < 200 || code > 599 {
		panic("chaimtest: no HTTP status: " + strconv.Itoa(code))
	}
}

// Hang never answers: it holds the request until the client leaves or the server closes.
func Hang() Fault {
	return func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // cuts the connection
	}
}

// Garbage answers like a proxy on the way: an HTML page with status 200.
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

// HugeGzip answers with a compressed body that is small until it is inflated to more than 1 MiB.
func HugeGzip() Fault {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		writeHuge(z)
		_ = z.Close()
	}
}

// writeHuge writes a reply of 8 MiB, unless the client leaves before.
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

// Redirect sends the client elsewhere with status 307, which asks it to repeat the POST, and the secrets in it, there.
func Redirect(url string) Fault {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", url)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

// Reply answers as the gateway does on success, with exactly this text in its envelope.
func Reply(text string) Fault {
	return func(w http.ResponseWriter, _ *http.Request) { writeEnvelope(w, "200", text) }
}

// Body answers with status 200 and exactly this body, for instance "null".
func Body(body string) Fault {
	return func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, "application/json", body) }
}

// STSError answers with an error document of STS, whatever was asked for, for instance
// STSError(403, "ExpiredToken", "The security token included in the request is expired"). It panics unless status is
// from 200 to 599.
func STSError(status int, code, message string) Fault {
	checkStatus(status)
	return func(w http.ResponseWriter, _ *http.Request) {
		writeSTSError(w, &stsError{status: status, code: code, message: message})
	}
}

// Rewrite has the server answer as it would without a fault, and sends what change makes of the body in place of it:
// keys that work in a reply that is not as it should be. Status and content type stay the same. change may be called
// from several goroutines at once. The Fault only works through [Server.Inject].
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

// heldAnswer keeps an answer.
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
	_, _ = io.WriteString(w, body) // an error means that the client left
}
