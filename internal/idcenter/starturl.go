package idcenter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/awaiting"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/partition"
)

// CheckStartURL refuses an address at which no person should sign in.
func CheckStartURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("chaim: start URL %s is no https URL, such as https://corp.awsapps.com/start", keys.QuoteShort(text))
	case u.Scheme == "http" && !httpx.IsLoopback(u):
		return fmt.Errorf("chaim: start URL %s is plain http: use https", keys.QuoteShort(text))
	}
	return nil
}

// portalDomains are those of access portals beside the domains of AWS services.
//
// https://docs.aws.amazon.com/singlesignon/latest/userguide/using-the-portal.html,
// https://docs.amazonaws.cn/en_us/singlesignon/latest/userguide/using-the-portal.html and
// https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-sso.html
var portalDomains = []string{"awsapps.com", "awsapps.cn", "app.aws", "amazonwebservices.com.cn", "amazonwebservices.eu"}

// IsAWS reports whether a host is one of AWS. A start URL there is the portal itself, and leads nowhere else.
func IsAWS(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	isBelow := func(domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }
	return slices.ContainsFunc(portalDomains, isBelow) || slices.ContainsFunc(partition.ServiceDomains(), isBelow)
}

// RegionIn returns the region that the host of a portal names, or "". Not all hosts name one.
func RegionIn(host string) string {
	for label := range strings.SplitSeq(strings.ToLower(host), ".") {
		if slices.Contains(partition.Regions(), label) {
			return label
		}
	}
	return ""
}

// portalURL returns the start URL at AWS. A company may have a host of its own, which redirects once to that URL. isGiven
// says that a person gave the URL for this sign-in: then it is never refused.
//
// https://aws.amazon.com/blogs/security/regional-routing-for-aws-access-portals-implementing-custom-vanity-domains-for-iam-identity-center/
func (c *Center) portalURL(ctx context.Context, isGiven bool) (string, error) {
	u, err := url.Parse(c.StartURL)
	if err != nil || IsAWS(u.Hostname()) {
		return c.StartURL, err
	}
	to, err := c.follow(ctx, u)
	isElsewhere := err == nil && to != nil && (to.Scheme != "https" || to.User != nil || !IsAWS(to.Hostname()))
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case isGiven && (err != nil || isElsewhere):
		c.Log.Warn("chaim: the start URL does not lead to an address that chaim knows as one of AWS, and is used as it is", "url", c.StartURL)
		return c.StartURL, nil
	case err != nil:
		return "", errtext.Wrap(err, "finding the access portal to which %s leads", c.StartURL)
	case to == nil: // a portal of a domain that chaim does not know; the center will tell
		return c.StartURL, nil
	case isElsewhere:
		return "", fmt.Errorf("chaim: start URL %s leads to %s, which chaim does not know as an address of AWS; if it is one, 'chaim login --start-url' takes it", c.StartURL, keys.QuoteShort(to.Redacted()))
	}
	if region := RegionIn(to.Hostname()); region != "" && region != c.Region {
		c.Log.Warn("chaim: the start URL leads to another region than that of the Identity Center", "url", c.StartURL, "leads to", region, "configured", c.Region)
	}
	to.RawQuery, to.Fragment, to.Path = "", "", strings.TrimRight(to.Path, "/")
	return to.String(), nil
}

// follow asks a server where an address redirects to. It does not ask the next server. It returns nil if there is no
// redirect to another server.
func (c *Center) follow(ctx context.Context, from *url.URL) (to *url.URL, err error) {
	_, client, err := c.config(ctx)
	if err != nil {
		return nil, err
	}
	defer awaiting.For(ctx, from.Host)()
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		req, err := http.NewRequestWithContext(ctx, method, from.String(), nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("User-Agent", httpx.UserAgent)
		resp, err := client.Do(req)
		if err != nil {
			return nil, httpx.NetworkError(ctx, err)
		}
		_ = resp.Body.Close()
		switch status := resp.StatusCode; {
		case status == http.StatusMethodNotAllowed || status == http.StatusNotImplemented:
			continue
		case status >= 300 && status < 400:
			if to, err = resp.Location(); err != nil {
				return nil, errors.New("its redirect leads nowhere")
			}
			if to.Host == from.Host { // such as /start to /start/
				return nil, nil
			}
			return to, nil
		case status >= 400:
			return nil, fmt.Errorf("it answered %d", status)
		}
		return nil, nil
	}
	return nil, errors.New("it answers neither HEAD nor GET")
}
