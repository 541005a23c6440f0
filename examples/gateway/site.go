package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/chaim-go/chaim/chaimtest"
)

// site is the installation. Its parts end in the reverse order of their start.
type site struct {
	dir      string
	program  string // chaim-gateway
	front    net.Listener
	double   *chaimtest.Server
	replicas []*replica
	ends     []func() error
}

// begin starts the parts. The site must end, after an error too.
func begin(ctx context.Context, o options, dir string) (*site, error) {
	s := &site{dir: dir, program: o.program}
	var err error
	if s.front, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return s, err
	}
	s.ends = append(s.ends, ignoring(s.front.Close))
	if s.program == "" {
		s.program = filepath.Join(dir, "chaim-gateway")
		if err := s.run(ctx, "building chaim-gateway", "go", "-C", "gateway", "build", "-o", s.program, "./cmd/chaim-gateway"); err != nil {
			return s, err
		}
	}
	if o.database == "" {
		if o.database, err = s.startPostgres(ctx); err != nil {
			return s, err
		}
	}
	issuer, err := s.startProvider(ctx, o.modules)
	if err != nil {
		return s, err
	}
	s.startDouble()
	if err := s.configure(ctx, o.database, issuer); err != nil {
		return s, err
	}
	for range o.replicas {
		r, err := s.startReplica(ctx)
		if err != nil {
			return s, err
		}
		s.replicas = append(s.replicas, r)
	}
	s.startBalancer()
	return s, nil
}

// url is the address of the balancer, which is that of the gateway.
func (s *site) url() string { return "http://" + s.front.Addr().String() }

func (s *site) addresses() string {
	var all []string
	for _, r := range s.replicas {
		all = append(all, r.address)
	}
	return strings.Join(all, ", ")
}

// wait returns at the end of ctx.
func (s *site) wait(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// end ends all parts.
func (s *site) end() (err error) {
	for i := len(s.ends) - 1; i >= 0; i-- {
		err = errors.Join(err, s.ends[i]())
	}
	return err
}

func ignoring(end func() error) func() error {
	return func() error { _ = end(); return nil }
}

// run runs a program to its end. The error has what the program said.
func (s *site) run(ctx context.Context, doing, name string, args ...string) error {
	_, err := s.output(ctx, doing, exec.CommandContext(ctx, name, args...))
	return err
}

func (s *site) output(ctx context.Context, doing string, cmd *exec.Cmd) (string, error) {
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil && ctx.Err() == nil {
		return "", fmt.Errorf("%s: %w\n%s", doing, err, said.String())
	}
	return strings.TrimSpace(string(out)), err
}

// startPostgres makes a server in the folder and returns the URL of its database.
func (s *site) startPostgres(ctx context.Context) (string, error) {
	dir := filepath.Join(s.dir, "pg")
	url, err := s.output(ctx, "starting PostgreSQL", exec.CommandContext(ctx, "sh", "gateway/.postgres", "start", dir))
	if err == nil {
		s.ends = append(s.ends, func() error { return exec.Command("sh", "gateway/.postgres", "stop", dir).Run() })
	}
	return url, err
}

const (
	clientID     = "chaim"
	clientSecret = "known to both" // the provider is on this machine, and its people do not exist
	providerID   = "corp"
)

// startProvider starts the OpenID provider and returns its address.
func (s *site) startProvider(ctx context.Context, modules string) (string, error) {
	dir := filepath.Join(s.dir, "provider")
	if err := os.CopyFS(dir, os.DirFS("examples/gateway/provider")); err != nil {
		return "", err
	}
	if modules != "" {
		if err := errors.Join(os.RemoveAll(filepath.Join(dir, "node_modules")), os.Symlink(modules, filepath.Join(dir, "node_modules"))); err != nil {
			return "", err
		}
	} else if err := s.run(ctx, "installing the provider", "npm", "ci", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", "--silent"); err != nil {
		return "", err
	}
	cmd := exec.Command("node", filepath.Join(dir, "provider.js"), clientID, clientSecret, s.url()+"/auth/callback/"+providerID)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("starting the provider: %w", err)
	}
	s.ends = append(s.ends, func() error {
		_ = stdin.Close()
		return cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("starting the provider: %w", err)
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }() // ends with the provider
	return strings.TrimSpace(line), nil
}

// startDouble starts the double of AWS, with the accounts of the policy.
func (s *site) startDouble() {
	s.double = chaimtest.NewServer(nil)
	s.ends = append(s.ends, func() error { s.double.Close(); return nil })
	for _, a := range accounts() {
		s.double.AddAccount(a.id, a.name)
	}
}

// startBalancer passes requests on to the replicas.
func (s *site) startBalancer() {
	server := &http.Server{Handler: newBalancer(s.replicas)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.front) }()
	s.ends = append(s.ends, func() error {
		_ = server.Close()
		<-served
		return nil
	})
}
