package awsrole

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// document is an IAM policy. Its fields are in the order in which AWS's own documents have them.
type document struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid       string
	Effect    string
	Principal *principal `json:",omitempty"`
	Action    []string
	Resource  []string                     `json:",omitempty"`
	Condition map[string]map[string]string `json:",omitempty"`
}

type principal struct{ AWS string }

func (d document) text() []byte {
	d.Version = "2012-10-17"
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if err := out.Encode(d); err != nil {
		panic(err) // only strings in there
	}
	return text.Bytes()
}

// TrustPolicy returns the trust policy of a role that the gateway may assume, as JSON. identity is the gateway's: see
// [Principal]. An empty externalID means that the role does not ask for one. Only sessions with a source identity get keys,
// so each session of the role names a user.
//
// STS checks the external id for sts:AssumeRole alone. The other two actions give no keys by themselves.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html
func TrustPolicy(identity, externalID string) ([]byte, error) {
	who, err := Principal(identity)
	if err != nil {
		return nil, err
	}
	named := map[string]map[string]string{"StringLike": {"sts:SourceIdentity": "*"}}
	if externalID != "" {
		named["StringEquals"] = map[string]string{"sts:ExternalId": externalID}
	}
	return document{Statement: []statement{
		{
			Sid: "ChaimGatewayAssumesRole", Effect: "Allow", Principal: &principal{who},
			Action: []string{"sts:AssumeRole"}, Condition: named,
		},
		{
			Sid: "ChaimGatewayNamesUser", Effect: "Allow", Principal: &principal{who},
			Action: []string{"sts:SetSourceIdentity", "sts:TagSession"},
		},
	}}.text(), nil
}

// GatewayPolicy returns the policy of the gateway's own identity, as JSON: it may assume these roles and do nothing else. A
// role is an ARN whose account may be "*". It is an error if there are none.
func GatewayPolicy(roles []string) ([]byte, error) {
	roles = slices.Clone(roles)
	slices.Sort(roles)
	roles = slices.Compact(roles)
	if len(roles) == 0 {
		return nil, errors.New("the policy document has no roles, so the gateway needs no rights yet: apply one first")
	}
	return document{Statement: []statement{{
		Sid: "ChaimGatewayAssumesRoles", Effect: "Allow",
		Action:   []string{"sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"},
		Resource: roles,
	}}}.text(), nil
}

// DenyPolicy returns a policy that ends the live keys of one user, as JSON: those that were made before a time, to the second.
// It works in a role's own policies and as a service control policy. It touches neither other users of the role nor keys
// that are made later. It can be removed after twelve hours, when the keys have ended.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html
func DenyPolicy(sourceIdentity string, before time.Time) ([]byte, error) {
	if !IsSourceIdentity(sourceIdentity) {
		return nil, fmt.Errorf("%q is not a source identity: it must be 2 to 64 letters, digits and _ + = , . @ -", sourceIdentity)
	}
	// AWS knows the issue time to the second, so a part of a second counts as the whole.
	if whole := before.Truncate(time.Second); whole.Before(before) {
		before = whole.Add(time.Second)
	}
	return document{Statement: []statement{{
		Sid: "ChaimEndsKeysOfUser", Effect: "Deny", Action: []string{"*"}, Resource: []string{"*"},
		Condition: map[string]map[string]string{
			"StringEquals": {"aws:SourceIdentity": sourceIdentity},
			"DateLessThan": {"aws:TokenIssueTime": before.UTC().Format(time.RFC3339)},
		},
	}}}.text(), nil
}
