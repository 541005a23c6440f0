// Package container serves keys to AWS SDKs over loopback, the way a container's agent does: an SDK that finds
// AWS_CONTAINER_CREDENTIALS_FULL_URI and AWS_CONTAINER_AUTHORIZATION_TOKEN in its environment asks there again whenever
// its keys are about to expire, so that a program may outlive them by days.
//
// Protocol: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
package container

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/errtext"
)

const (
	// An SDK sends its request at once, and waits for a second or two.
	requestTimeout = 2 * time.Second
	idleTimeout    = 30 * time.Second

	// net/http reads 4 KiB more than it is told, which makes 8 KiB.
	maxHeader = 4 << 10
)

// Source is where keys come from: a [*chaim.Client]. Its methods must answer from memory, and may be called by many
// goroutines at once.
type Source interface {
	Creds() chaim.AwsCreds
	State() chaim.State // knows of the keys' end where the wall clock was set back, too
}

// Config says what to serve. Source is required.
type Config struct {
	Source Source
	// Name is that of the account, for the log.
	Name string
	// AnyUser also serves programs of other users of this machine that have the token, as root may start some. Otherwise
	// they are refused where the system tells whose their connections are: see [loopback.IsForeign].
	AnyUser bool
	// Log gets a line per request. Nil means silence.
	Log *slog.Logger
}

// Server serves the keys of one scope until it is closed. It is made by [Listen]; all methods may be called by any
// number of goroutines.
type Server struct {
	http    http.Server
	handler *handler
	gate    *gate
	serving sync.WaitGroup // the goroutine that accepts connections
	source  Source
	url     string
	token   string
}

// Listen binds a free port of 127.0.0.1 and answers there. When that cannot be done nothing is served anywhere.
func Listen(cfg Config) (*Server, error) { return listenOn("127.0.0.1:0", cfg) }

func listenOn(address string, cfg Config) (*Server, error) {
	if cfg.Source == nil {
		return nil, errors.New("chaim: no source of the keys to serve")
	}
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		return nil, errtext.Wrap(err, "cannot serve keys on a port of 127.0.0.1")
	}
	return serve(listener, cfg), nil
}

func serve(listener net.Listener, cfg Config) *Server {
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	h, path, token := newHandler(cfg, port)
	s := &Server{
		handler: h,
		gate:    newGate(listener),
		source:  cfg.Source,
		url:     "http://127.0.0.1:" + port + path,
		token:   token,
	}
	s.http = http.Server{
		Handler:                      h,
		ReadTimeout:                  requestTimeout,
		WriteTimeout:                 requestTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader,
		ConnState:                    s.gate.note,
		ErrorLog:                     slog.NewLogLogger(cfg.Log.Handler(), slog.LevelWarn),
		DisableGeneralOptionsHandler: true, // it answers "OPTIONS *" whatever the Host
	}
	s.serving.Go(func() {
		if err := s.http.Serve(s.gate); !errors.Is(err, http.ErrServerClosed) {
			cfg.Log.Error("chaim: keys are not served any more", "account", cfg.Name, "error", err)
		}
	})
	return s
}

// URL is where the keys are, with a path that cannot be guessed. It names 127.0.0.1, as older SDKs accept no other
// loopback address.
func (s *Server) URL() string { return s.url }

// Token is what an Authorization header must be. It is a secret.
func (s *Server) Token() string { return s.token }

// Environ returns the variables that make an SDK ask this server, each "NAME=value", and the mark that its keys are lent. They
// hold a secret. Other variables
// and files win over them: see [Server.ChildEnviron].
func (s *Server) Environ() []string {
	return []string{urlVariable + "=" + s.url, tokenVariable + "=" + s.token, awsenv.Mark(s.url)}
}

// Close ends all connections, waits for its goroutines and frees the port. It may be called more than once.
func (s *Server) Close() error {
	err := s.http.Close()
	s.serving.Wait()
	s.gate.open.Wait()
	s.handler.noteUnlogged()
	return err
}

// Format prints the address, whatever the verb: the fields lead to secrets.
func (s *Server) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "container.Server{%s}", s.gate.Addr()) }
