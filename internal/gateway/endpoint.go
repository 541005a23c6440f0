package gateway

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/partition"
)

var (
	apiRule   = lazyregexp.New(`^[A-Za-z0-9]{1,64}$`)
	stageRule = lazyregexp.New(`^[A-Za-z0-9_$-]+$`)
)

// APIURL returns the URL of a stage of an API, ending in a slash. where names the source of the settings in the error.
func APIURL(api, stage, region, where string) (string, error) {
	switch {
	case !apiRule().MatchString(api):
		return "", fmt.Errorf("chaim: API id %q in %s is not letters and digits", api, where)
	case len(stage) > 128 || !stageRule().MatchString(stage):
		return "", fmt.Errorf("chaim: stage %q in %s is not an API Gateway stage name", stage, where)
	}
	domain, _ := partition.Domains(region)
	return fmt.Sprintf("https://%s.execute-api.%s.%s/%s/", api, region, domain, stage), nil
}

// CheckURL returns the URL with a slash at its end, and refuses one to which the token would go in clear text. The URL may
// hold a password, so errors do not repeat it. where names its source in the error.
func CheckURL(endpoint, where string, allowInsecure bool) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", fmt.Errorf("chaim: gateway URL in %s cannot be parsed", where)
	}
	switch {
	case u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return "", fmt.Errorf("chaim: gateway URL in %s is not an https URL", where)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", fmt.Errorf("chaim: gateway URL in %s has a user, query or fragment; leave them out", where)
	case u.Scheme == "http" && !httpx.IsLoopback(u) && !allowInsecure:
		return "", fmt.Errorf("chaim: gateway URL in %s is plain http to %q: the user token would be readable on the way; use https, a loopback address such as 127.0.0.1, or AllowInsecure", where, u.Host)
	}
	return strings.TrimRight(u.String(), "/") + "/", nil
}
