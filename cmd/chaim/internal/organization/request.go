package organization

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/chaim-go/chaim/internal/partition"
)

// The SDK's package for AWS Organizations builds tables when the program starts, which costs each command 2.5 ms. One action
// needs little of it.

// home is the region in which a partition has AWS Organizations.
//
// https://docs.aws.amazon.com/general/latest/gr/ao.html
var home = map[string]string{"aws": "us-east-1", "aws-cn": "cn-northwest-1", "aws-us-gov": "us-gov-west-1"}

// client asks AWS Organizations.
type client struct {
	http             *http.Client
	endpoint, region string // the region is the one for which requests are signed
	keys             aws.Credentials
}

// endpointOf returns the endpoint of AWS Organizations, and the region for which its requests are signed. isGiven reports
// whether the configuration names the endpoint.
func endpointOf(ctx context.Context, cfg aws.Config) (endpoint, region string, isGiven bool) {
	if given := givenEndpoint(ctx, cfg); given != "" {
		return given, cfg.Region, true
	}
	domain, _ := partition.Domains(cfg.Region)
	region = cmp.Or(home[partition.Of(cfg.Region)], cfg.Region)
	host := "organizations"
	for _, source := range cfg.ConfigSources {
		fips, isSource := source.(interface {
			GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error)
		})
		if !isSource {
			continue
		}
		state, isSet, err := fips.GetUseFIPSEndpoint(ctx)
		if isSet && err == nil {
			if state == aws.FIPSEndpointStateEnabled && region != home["aws-us-gov"] { // its plain host has FIPS
				host += "-fips"
			}
			break
		}
	}
	return "https://" + host + "." + region + "." + domain, region, false
}

// givenEndpoint returns the endpoint that the environment or a profile names, in the order of the SDK's clients.
func givenEndpoint(ctx context.Context, cfg aws.Config) string {
	general := aws.ToString(cfg.BaseEndpoint)
	_, isGeneral := os.LookupEnv("AWS_ENDPOINT_URL")
	if _, isOwn := os.LookupEnv("AWS_ENDPOINT_URL_ORGANIZATIONS"); isGeneral && !isOwn {
		return general
	}
	for _, source := range cfg.ConfigSources {
		ignoring, canIgnore := source.(interface {
			GetIgnoreConfiguredEndpoints(context.Context) (bool, bool, error)
		})
		if canIgnore {
			if isIgnored, isSet, err := ignoring.GetIgnoreConfiguredEndpoints(ctx); isSet && err == nil && isIgnored {
				return general
			}
		}
	}
	for _, source := range cfg.ConfigSources {
		own, isSource := source.(interface {
			GetServiceBaseEndpoint(context.Context, string) (string, bool, error)
		})
		if isSource {
			if url, isSet, err := own.GetServiceBaseEndpoint(ctx, "Organizations"); isSet && err == nil {
				return url
			}
		}
	}
	return general
}

// page is one reply of ListAccounts.
type page struct {
	Accounts []struct{ ID, Name, State, Status string }
	Next     string `json:"NextToken"`
}

// list asks for a page. It is the first one if token is empty. Errors are like those of the SDK's clients.
//
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html
func (c client) list(ctx context.Context, token string) (p page, err error) {
	body, err := json.Marshal(struct {
		NextToken string `json:",omitempty"`
	}{token})
	if err != nil {
		return p, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.endpoint, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return p, err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "AWSOrganizationsV20161128.ListAccounts")
	hash := fmt.Sprintf("%x", sha256.Sum256(body))
	if err := v4.NewSigner().SignHTTP(ctx, c.keys, req, hash, "organizations", c.region, time.Now()); err != nil {
		return p, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return p, &smithyhttp.RequestSendError{Err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return p, &smithyhttp.RequestSendError{Err: err}
	}
	if resp.StatusCode != http.StatusOK {
		return p, &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: resp}, Err: refusal(text)}
	}
	if json.Unmarshal(text, &p) != nil {
		return p, &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: resp}, Err: errors.New("no JSON")}
	}
	return p, nil
}

// refusal reads the error in a reply.
func refusal(text []byte) error {
	var told struct {
		Type    string `json:"__type"`
		Message string
	}
	_ = json.Unmarshal(text, &told)
	code := told.Type[strings.LastIndexByte(told.Type, '#')+1:]
	return &smithy.GenericAPIError{Code: cmp.Or(code, "UnknownError"), Message: told.Message}
}
