package awsprofile

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/partition"
)

// ErrNoProfile means that there is no profile of that name.
var ErrNoProfile = errors.New("chaim: there is no such profile in the AWS files")

// Has reports whether the files have a profile of that name that leads to keys, even if its settings are wrong. A profile
// does not count if chaim has lent it, or if its credential_process asks chaim for an account.
func (f Files) Has(name string) bool {
	return !f.Lent[name] && !RunsChaim(f.Profiles[name]["credential_process"]) &&
		slices.ContainsFunc(decisive, func(key string) bool { return f.Profiles[name][key] != "" })
}

// decisive are the settings of a profile that lead to keys.
var decisive = []string{
	"aws_access_key_id", "role_arn", "source_profile", "credential_source", "web_identity_token_file", "sso_session",
	"sso_start_url", "sso_account_id", "login_session", "credential_process",
}

// Leading returns the names of all profiles that lead to keys, in the order of the files.
func (f Files) Leading() []string {
	return slices.DeleteFunc(slices.Clone(f.Names), func(name string) bool { return !f.Has(name) })
}

// Chain returns how a profile gets its keys. The error says what the profile lacks.
func (f Files) Chain(name string) (Chain, error) {
	c := Chain{Profile: name}
	r := resolver{files: f, chain: &c}
	if err := r.visit(name); err != nil {
		return Chain{}, errtext.Wrap(err, "profile %s of the AWS config file", keys.QuoteShort(name))
	}
	return c, nil
}

// resolver follows a profile to its source.
type resolver struct {
	files Files
	chain *Chain
	path  []string // the profiles on the way
}

// visit adds a profile to the chain, after the profiles from which it takes keys.
func (r *resolver) visit(name string) error {
	pairs, err := r.profile(name)
	if err != nil {
		return err
	}
	r.path = append(r.path, name)
	if err := exclusive(pairs); err != nil {
		return err
	}
	source := pairs["source_profile"]
	switch {
	case source != "" && pairs["role_arn"] == "":
		return errors.New("it has a source_profile but no role_arn")
	case source == name && pairs["aws_access_key_id"] == "":
		return fmt.Errorf("it is its own source_profile, but has no keys")
	case source != "" && source != name:
		if slices.Contains(r.path, source) {
			return fmt.Errorf("the source profiles are a loop: %s", strings.Join(append(r.path, source), ", "))
		}
		err = r.visitSource(source)
	default:
		err = r.begin(name, pairs)
	}
	if err != nil || pairs["role_arn"] == "" || r.chain.Source.Kind == WebIdentity && r.chain.Source.Profile == name {
		return err
	}
	role, err := readRole(name, pairs)
	r.chain.Roles = append(r.chain.Roles, role)
	return err
}

// visitSource is visit for a source_profile. A missing one is a fault of the profile that names it.
func (r *resolver) visitSource(name string) error {
	err := r.visit(name)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, ErrNoProfile):
		return errtext.Wrap(err, "source_profile %s", keys.QuoteShort(name))
	case r.files.Bare[name]:
		return fmt.Errorf("its source_profile %s is no profile: write [profile %s] in place of [%s]", keys.QuoteShort(name), name, name)
	}
	return fmt.Errorf("its source_profile %s is not in the AWS files", keys.QuoteShort(name))
}

// profile returns the settings of a profile that is not lent.
func (r *resolver) profile(name string) (Pairs, error) {
	pairs, isKnown := r.files.Profiles[name]
	switch {
	case r.files.Lent[name]:
		return nil, errors.New("chaim has lent its keys, so no others can be had with them")
	case isKnown:
		return pairs, nil
	case r.files.Bare[name]:
		return nil, fmt.Errorf("%w: write [profile %s] in place of [%s]", ErrNoProfile, name, name)
	}
	return nil, ErrNoProfile
}

// exclusive refuses a role with two sources. SDKs disagree about which one counts.
func exclusive(pairs Pairs) error {
	var given []string
	for _, key := range []string{"source_profile", "credential_source", "web_identity_token_file", "credential_process"} {
		if pairs[key] != "" {
			given = append(given, key)
		}
	}
	if len(given) > 1 && pairs["role_arn"] != "" {
		return fmt.Errorf("it has both %s: remove one", strings.Join(given, " and "))
	}
	return nil
}

// begin makes a profile the source of the chain. It prefers kinds in the order of the AWS SDK for Go.
func (r *resolver) begin(name string, pairs Pairs) error {
	var kinds []Kind
	for _, candidate := range []struct {
		kind Kind
		keys []string
	}{
		{StaticKeys, []string{"aws_access_key_id", "aws_secret_access_key"}},
		{Environment, []string{"credential_source"}},
		{WebIdentity, []string{"web_identity_token_file"}},
		{SSO, []string{"sso_session", "sso_start_url", "sso_account_id", "sso_role_name"}},
		{Login, []string{"login_session"}},
		{Process, []string{"credential_process"}},
	} {
		if slices.ContainsFunc(candidate.keys, func(key string) bool { return pairs[key] != "" }) {
			kinds = append(kinds, candidate.kind)
		}
	}
	switch {
	case len(kinds) == 0 && pairs["role_arn"] != "":
		return errors.New("it has a role_arn but nothing that gives keys for it: add a source_profile or credential_source")
	case len(kinds) == 0:
		return errors.New("it has neither keys nor a way to get them")
	}
	s := &r.chain.Source
	s.Kind, s.Profile, s.Pairs = kinds[0], name, pairs
	if len(kinds) > 1 {
		r.note("profile %s has %s and %s; chaim uses the %s, other programs may not", name, kinds[0], kinds[1], kinds[0])
	}
	if s.Kind == SSO && pairs["role_arn"] != "" {
		r.note("profile %s has a role and SSO settings; chaim assumes the role with the keys of SSO, other programs may not", name)
	}
	return r.complete(s)
}

func (r *resolver) note(format string, args ...any) {
	r.chain.Notes = append(r.chain.Notes, fmt.Sprintf(format, args...))
}

// complete checks what a source needs, and fills in the rest of it.
func (r *resolver) complete(s *Source) (err error) {
	switch s.Kind {
	case StaticKeys:
		if field := keys.Malformed(s.Pairs["aws_access_key_id"], s.Pairs["aws_secret_access_key"], cmp.Or(s.Pairs["aws_session_token"], "none")); field != "" {
			return fmt.Errorf("its %s is missing or malformed", field)
		}
		if r.chain.Profile == s.Profile && s.Pairs["role_arn"] == "" { // SDKs do not inherit the device of a source
			s.MFA, err = readMFA(s.Pairs)
		}
	case Environment:
		switch source := s.Pairs["credential_source"]; source {
		case "Environment":
		case "Ec2InstanceMetadata":
			s.Kind = EC2
		case "EcsContainer":
			s.Kind = Container
		default:
			return fmt.Errorf("its credential_source is %s, but must be Environment, Ec2InstanceMetadata or EcsContainer", keys.QuoteShort(source))
		}
		if s.Pairs["role_arn"] == "" {
			return errors.New("it has a credential_source but no role_arn")
		}
	case WebIdentity:
		if s.Pairs["role_arn"] == "" {
			return errors.New("it has a web_identity_token_file but no role_arn")
		}
		_, err = ParseRole(s.Pairs["role_arn"])
	case SSO:
		s.Session, err = r.session(s.Profile, s.Pairs)
	case Process:
		if RunsChaim(s.Pairs["credential_process"]) { // it could be asked for this very profile, without end
			return errors.New("its credential_process runs chaim: ask for the account that it names")
		}
	}
	return err
}

// session reads the SSO settings of a profile.
func (r *resolver) session(profile string, pairs Pairs) (s Session, err error) {
	s = Session{profile, pairs["sso_session"], pairs["sso_start_url"], pairs["sso_region"], pairs["sso_account_id"], pairs["sso_role_name"]}
	if s.Name != "" {
		shared, isKnown := r.files.Sessions[s.Name]
		if !isKnown {
			known := strings.Join(slices.Sorted(maps.Keys(r.files.Sessions)), ", ")
			return s, fmt.Errorf("its sso_session %s is not in the AWS config file, which has: %s", keys.QuoteShort(s.Name), cmp.Or(known, "none"))
		}
		for _, own := range []struct {
			key   string
			value *string
		}{{"sso_start_url", &s.StartURL}, {"sso_region", &s.Region}} {
			if *own.value != "" && *own.value != shared[own.key] {
				return s, fmt.Errorf("its %s is not the one of [sso-session %s]: remove one", own.key, s.Name)
			}
			*own.value = shared[own.key]
		}
		if s.AccountID == "" && s.Role == "" {
			return s, fmt.Errorf("it signs in, but is for no account: add sso_account_id and sso_role_name")
		}
	}
	for _, needed := range []struct{ key, value string }{
		{"sso_start_url", s.StartURL}, {"sso_region", s.Region}, {"sso_account_id", s.AccountID}, {"sso_role_name", s.Role},
	} {
		if needed.value == "" {
			return s, fmt.Errorf("%s is missing", needed.key)
		}
	}
	if !keys.IsAccountID(s.AccountID) {
		return s, fmt.Errorf("its sso_account_id %s is not the 12-digit id of an account", keys.QuoteShort(s.AccountID))
	}
	return s, partition.CheckRegionOf("its sso_region", s.Region)
}

// readRole reads the role of a profile.
func readRole(name string, pairs Pairs) (role Role, err error) {
	role = Role{Profile: name, ARN: pairs["role_arn"], SessionName: pairs["role_session_name"], ExternalID: pairs["external_id"]}
	if _, err := ParseRole(role.ARN); err != nil {
		return role, err
	}
	if role.MFA, err = readMFA(pairs); err != nil {
		return role, err
	}
	if text := pairs["duration_seconds"]; text != "" {
		seconds, err := strconv.Atoi(text)
		if role.Duration = time.Duration(seconds) * time.Second; err != nil || keys.CheckDuration(role.Duration) != nil {
			return role, fmt.Errorf("its duration_seconds %s is not a number from 900 to 43200", keys.QuoteShort(text))
		}
	}
	return role, nil
}

// readMFA reads the MFA device of a profile.
func readMFA(pairs Pairs) (MFA, error) {
	device := MFA{pairs["mfa_serial"], pairs["mfa_process"]}
	if device.Serial != "" {
		return device, CheckSerial(device.Serial)
	}
	return MFA{}, nil
}

// CheckSerial refuses the serial number of an MFA device that gives no codes.
//
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
func CheckSerial(serial string) error {
	isLetter := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("_+=/:,.@-", r)
	}
	switch {
	case len(serial) < 9 || len(serial) > 256 || strings.ContainsFunc(serial, func(r rune) bool { return !isLetter(r) }):
		return fmt.Errorf("chaim: MFA device %s is neither a serial number nor an ARN such as arn:aws:iam::111111111111:mfa/NAME", keys.QuoteShort(serial))
	case strings.Contains(serial, ":u2f/"):
		return fmt.Errorf("chaim: MFA device %s is a security key, which gives no codes: AWS accepts it in the browser only", keys.QuoteShort(serial))
	}
	return nil
}
