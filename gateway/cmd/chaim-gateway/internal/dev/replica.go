package dev

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/serving"
	"github.com/chaim-go/chaim/gateway/internal/ambient"
	"github.com/chaim-go/chaim/gateway/internal/issue"
)

// serveReplica serves the configuration of --config, with a double of AWS that another program runs at a loopback address. The
// keys of the gateway are those of the environment.
func serveReplica(ctx context.Context, a *cli.App, double string, version string) error {
	at, err := doubleURL(double)
	if err != nil {
		return err
	}
	c, _, err := a.Config()
	if err != nil {
		return err
	}
	log, err := serving.Log(a.Err, "text", false)
	if err != nil {
		return err
	}
	sts, err := ambient.New(ctx, ambient.Options{
		Regions: c.AWS.Regions, ExternalID: c.AWS.ExternalID.Reveal(), Log: log, Endpoint: at.JoinPath("sts").String(),
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
	})
	if err != nil {
		return err
	}
	links := issue.FederationLinks(&http.Client{Transport: toDouble{at}}, log)
	g, err := serving.Open(ctx, serving.Options{Config: c, STS: sts, Links: links, Drain: serving.Drain(time.Second), Log: log, Version: version})
	if err != nil {
		return err
	}
	log.Info("serving with a double of AWS", "url", c.Server.URL.String(), "listen", g.Addr().String(), "double", at.String())
	return g.Run(ctx)
}

// doubleURL reads the address of a double. It is on this machine, or keys of AWS could be signed for a stranger.
func doubleURL(text string) (*url.URL, error) {
	at, err := url.Parse(text)
	if err != nil || at.Scheme != "http" || strings.Trim(at.Path, "/") != "" {
		return nil, cli.Usagef("--double is the address of a double of AWS, such as http://127.0.0.1:8080")
	}
	host, _, _ := net.SplitHostPort(at.Host)
	if addr, err := netip.ParseAddr(host); err != nil || !addr.IsLoopback() {
		return nil, cli.Usagef("--double is at a loopback address with a port, such as http://127.0.0.1:8080")
	}
	return at, nil
}

// toDouble sends requests to a double, which tells the services of AWS apart by the name of their host.
type toDouble struct{ at *url.URL }

func (d toDouble) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == "" {
		return nil, errors.New("the request has no host")
	}
	sent := r.Clone(r.Context())
	sent.Host, sent.URL.Scheme, sent.URL.Host = r.URL.Host, d.at.Scheme, d.at.Host
	return http.DefaultTransport.RoundTrip(sent)
}
