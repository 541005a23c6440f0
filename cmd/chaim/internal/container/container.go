// Package container serves keys to AWS SDKs on this machine, as the agent of a container does. An SDK that finds
// AWS_CONTAINER_CREDENTIALS_FULL_URI and AWS_CONTAINER_AUTHORIZATION_TOKEN in its environment asks there again whenever its
// keys are about to expire. So a program may outlive a set of keys by days.
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
	"os"
	"sync"
	"time"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/gate"
	"github.com/chaim-go/chaim/internal/profiles"
)

const (
	// An SDK sends its request at once, and waits for a second or two.
	requestTimeout = 2 * time.Second
	idleTimeout    = 30 * time.Second

	maxHeader = 4 << 10 // net/http reads 4 KiB more, which makes 8 KiB
)

// Source is where keys come from: a [*chaim.Client]. Its methods must answer from memory. Many goroutines call them.
type Source interface {
	Creds() chaim.AwsCreds
	State() chaim.State // also tells that keys have expired after the wall clock was set back
}

// Config says what to serve. Source is required.
type Config struct {
	Source  Source
	Name    string       // of the account, for the log
	AnyUser bool         // also serve other users' programs that have the token; else see [loopback.IsForeign]
	Log     *slog.Logger // gets a line for each request; nil means silence

	timeout time.Duration // of a request; zero means requestTimeout
}

// Server serves keys until it is closed. Its methods may be called by any number of goroutines.
type Server struct {
	http    http.Server
	handler *handler
	gate    *gate.Gate
	serving sync.WaitGroup // the goroutine that accepts connections
}

// Listen makes a Server on a free port of 127.0.0.1.
func Listen(cfg Config) (*Server, error) { return listenOn("127.0.0.1:0", cfg) }

func listenOn(address string, cfg Config) (*Server, error) {
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		return nil, errtext.Wrap(err, "cannot serve keys on a port of 127.0.0.1")
	}
	return serve(listener, cfg), nil
}

func serve(listener net.Listener, cfg Config) *Server {
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	timeout := cmp.Or(cfg.timeout, requestTimeout)
	s := &Server{handler: newHandler(cfg, listener.Addr().(*net.TCPAddr).Port), gate: &gate.Gate{Listener: listener}}
	s.http = http.Server{
		Handler:                      s.handler,
		ReadTimeout:                  timeout,
		WriteTimeout:                 timeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader,
		ConnState:                    s.gate.Note,
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

// url is where the keys are. It names 127.0.0.1: older SDKs accept no other loopback address.
func (s *Server) url() string { return "http://" + s.handler.hosts[0] + s.handler.path }

// Environ returns the variables that make an SDK ask this server, each NAME=value, and the mark that its keys are lent. They
// hold a secret. Other variables and files win over them: see [Server.ChildEnviron].
func (s *Server) Environ() []string {
	return []string{
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + s.url(),
		"AWS_CONTAINER_AUTHORIZATION_TOKEN=" + s.handler.token,
		awsenv.Mark(s.url()),
	}
}

// ChildEnviron returns Environ, and what a program needs to get keys from this server only: the region of the keys, and no
// proxy for requests on this machine. SDKs prefer the files, so there is no credentials file, and no AWS config file if its
// default profile leads to keys. Variables that lead to other keys must be taken away: botocore heeds empty ones too.
func (s *Server) ChildEnviron() []string {
	env := append(s.Environ(), awsenv.NoFile()...)
	env = append(env, awsenv.Direct(os.Environ())...)
	if region := s.handler.Source.Creds().Region; region != "" {
		env = append(env, "AWS_REGION="+region, "AWS_DEFAULT_REGION="+region)
	}
	if profiles.ReadConfig().GivesKeys("default") {
		env = append(env, "AWS_CONFIG_FILE="+os.DevNull)
	}
	return env
}

// Close ends all connections, waits for the goroutines, and frees the port. It may be called more than once.
func (s *Server) Close() error {
	err := s.http.Close()
	s.serving.Wait()
	s.gate.Wait()
	if n := s.handler.unlogged.Swap(0); n > 0 {
		s.handler.Log.Warn("chaim: requests for keys", "account", s.handler.Name, "unlogged", n)
	}
	return err
}

// Format prints the address, whatever the verb: the fields lead to secrets.
func (s *Server) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "container.Server{%s}", s.gate.Addr()) }
