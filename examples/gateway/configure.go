package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// account is one of the accounts of the policy.
type account struct{ id, name, env, ou string }

// accounts returns accounts that do not exist.
func accounts() (all []account) {
	teams := []string{"billing", "checkout", "data", "identity", "mobile", "network", "platform", "search", "storage", "web"}
	for i, team := range teams {
		for j, env := range []string{"dev", "staging", "prod"} {
			all = append(all, account{fmt.Sprintf("%012d", 100000000000+i*1000+j), team + "-" + env, env, "root/" + env + "/" + team})
		}
	}
	return append(all,
		account{"111111111111", "sredev", "dev", "root/dev"}, account{"222222222222", "Connected Homes", "dev", "root/dev"},
		account{"333333333333", "O'Brien", "dev", "root/dev"}, account{"444444444444", "sreprod", "prod", "root/prod"})
}

// policy lets all people read what is not production, developers work there, and the group sre do all.
func policy() string {
	var b strings.Builder
	b.WriteString(`version: 1
roles:
  rro: {aws: CrossAccountReadOnly, max: 12h, console: true}
  mpu: {aws: CrossAccountPowerUser, max: 4h, console: true}
  apu: {aws: CrossAccountAdminUser, max: 1h}
accounts:
`)
	for _, a := range accounts() {
		fmt.Fprintf(&b, "  - {id: %q, name: %q, ou: %s, tags: {env: %s}}\n", a.id, a.name, a.ou, a.env)
	}
	b.WriteString(`grants:
  - id: everyone-reads
    to: {groups: [everyone]}
    on: {tags: {env: [dev, staging]}}
    roles: [rro]
  - id: developers-work
    to: {groups: ["corp:dev"]}
    on: {tags: {env: [dev]}}
    roles: [mpu]
  - id: sre
    to: {groups: ["corp:sre"]}
    on: {tags: {env: [dev, staging, prod]}}
    roles: [rro, mpu, apu]
`)
	return b.String()
}

// configure makes the gateway, and gives it its provider and its policy.
func (s *site) configure(ctx context.Context, database, issuer string) error {
	dir := filepath.Join(s.dir, "gw")
	if err := s.run(ctx, "making the gateway", s.program, "init", dir, "--url", s.url(), "--database", database, "--user", "operator"); err != nil {
		return err
	}
	f, err := os.OpenFile(s.config(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, `
oidc: {id: %s, issuer: %q, client_id: %s, client_secret: %q, scopes: [openid, profile, groups]}
admin_groups: ["corp:platform"]
`, providerID, issuer, clientID, clientSecret); err != nil {
		return err
	}
	path := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(path, []byte(policy()), 0o600); err != nil {
		return err
	}
	return s.run(ctx, "applying the policy", s.program, "--config", s.config(), "apply", "-f", path)
}

func (s *site) config() string { return filepath.Join(s.dir, "gw", "config.yaml") }
