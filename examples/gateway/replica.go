package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// replica is a chaim-gateway that is started again whenever it ends.
type replica struct {
	address, admin string
	start          func() *exec.Cmd
	process        atomic.Pointer[os.Process]
	isReady        atomic.Bool
	keeping        sync.WaitGroup
	stop           context.CancelFunc
}

// restartPause is how long an ended replica is away.
const restartPause = time.Second

// startReplica starts a replica, and returns when it is ready.
func (s *site) startReplica(ctx context.Context) (*replica, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	keys := s.double.AddKeys("999999999999", "chaim-gateway")
	r := &replica{address: address, admin: admin, start: func() *exec.Cmd { return s.command(address, admin, keys) }}
	kept, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stop = stop
	ready := make(chan error, 1)
	r.keeping.Go(func() { r.keep(kept, ready) })
	s.ends = append(s.ends, func() error {
		stop()
		r.keeping.Wait()
		return nil
	})
	select {
	case err := <-ready:
		return r, err
	case <-ctx.Done():
		return r, ctx.Err()
	}
}

// command is one run of a replica. Its settings are those of the configuration, but for its addresses.
func (s *site) command(address, admin string, keys aws.Credentials) *exec.Cmd {
	cmd := exec.Command(s.program, "--config", s.config(), "dev", "--double", s.double.URL())
	cmd.Env = append(os.Environ(), "CHAIM_GATEWAY_LISTEN="+address, "CHAIM_GATEWAY_ADMIN_LISTEN="+admin,
		"AWS_ACCESS_KEY_ID="+keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+keys.SecretAccessKey)
	return cmd
}

// keep runs the replica again and again. ready gets the result of the first start.
func (r *replica) keep(ctx context.Context, ready chan<- error) {
	for ctx.Err() == nil {
		var said bytes.Buffer
		cmd := r.start()
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			ready <- err
			return
		}
		r.process.Store(cmd.Process)
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		err := r.await(ctx, ended)
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, said.String())
		}
		select {
		case ready <- err:
		default: // only the first start is told
		}
		select {
		case <-ended:
		case <-ctx.Done():
			_ = cmd.Process.Signal(os.Interrupt)
			<-ended
		}
		r.isReady.Store(false)
		select {
		case <-time.After(restartPause):
		case <-ctx.Done():
		}
	}
}

// await returns when the replica is ready.
func (r *replica) await(ctx context.Context, ended <-chan struct{}) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if answer, err := http.Get("http://" + r.admin + "/readyz"); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				r.isReady.Store(true)
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ended:
			return errors.New("a replica ended at its start")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *replica) pid() int { return r.process.Load().Pid }

// freeAddress returns an address of this machine at which nothing listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
