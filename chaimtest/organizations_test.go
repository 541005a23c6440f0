package chaimtest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

// organizationReply is an answer of AWS Organizations.
type organizationReply struct {
	Accounts  []struct{ ID, Name, State, Arn string }
	NextToken string
	Type      string `json:"__type"`
	Message   string
}

// askOrganizations signs a request as the SDK does, which the module does not have.
func askOrganizations(t testing.TB, srv *chaimtest.Server, c aws.Credentials, action, body string) (status int, reply organizationReply) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://organizations.us-east-1.amazonaws.com/", bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	req.Header.Set("X-Amz-Target", "AWSOrganizationsV20161128."+action)
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	sum := sha256.Sum256([]byte(body))
	require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), c, req, hex.EncodeToString(sum[:]), "organizations", "us-east-1", srv.Now()))
	resp, err := srv.HTTPClient().Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&reply))
	return resp.StatusCode, reply
}

func TestOrganizations(t *testing.T) {
	srv := chaimtest.NewServer(t)
	for i := range 40 {
		srv.AddAccount(fmt.Sprintf("%012d", 400000000000+i), fmt.Sprintf("a%d", i))
	}
	srv.Suspend("Connected Homes")
	user := srv.AddKeys("sredev", "ci")
	states, pages, token := map[string]string{}, []int{}, ""
	for {
		status, reply := askOrganizations(t, srv, user, "ListAccounts", fmt.Sprintf(`{"NextToken":%q}`, token))
		require.Equal(t, http.StatusOK, status)
		pages = append(pages, len(reply.Accounts))
		for _, a := range reply.Accounts {
			require.NotContains(t, states, a.ID)
			states[a.ID] = a.State
		}
		if token = reply.NextToken; token == "" {
			break
		}
	}
	require.Equal(t, []int{0, 20, 20, 3}, pages, "an empty page is not the last one")
	require.Equal(t, "SUSPENDED", states["222222222222"])
	require.Equal(t, "ACTIVE", states["111111111111"])
	require.Equal(t, "ListAccounts", last(t, srv).Action)

	status, reply := askOrganizations(t, srv, srv.AddKeys("O'Brien", "ci"), "ListAccounts", "{}")
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "AccessDeniedException", reply.Type)
	_, reply = askOrganizations(t, srv, user, "ListAccounts", `{"MaxResults":21}`)
	require.Equal(t, "InvalidInputException", reply.Type)
	_, reply = askOrganizations(t, srv, user, "CloseAccount", "{}")
	require.Equal(t, "UnknownOperationException", reply.Type)
	user.SecretAccessKey += "x"
	status, reply = askOrganizations(t, srv, user, "ListAccounts", "{}")
	require.Equal(t, http.StatusForbidden, status)
	require.Equal(t, "SignatureDoesNotMatch", reply.Type)
}
