package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/sharedfile"
)

// toolSettings are settings by which tools use keys of their own, or a profile, in place of those that are lent to them.
// docs/tools.md says more of each.
var toolSettings = []struct {
	tool      string
	variables []string // one that ends with _ stands for all that begin like that
	file      string   // in the home folder
	sign      string   // what must be in the value or the file; empty for anything
}{
	{tool: "restic", variables: []string{"MINIO_ACCESS_KEY", "MINIO_ROOT_USER"}},
	{tool: "rclone", variables: []string{"RCLONE_S3_"}, file: ".config/rclone/rclone.conf"},
	{tool: "s3cmd", file: ".s3cfg", sign: "access_key"},
	{tool: "s4cmd", variables: []string{"S3_ACCESS_KEY"}},
	{tool: "s3fs", variables: []string{"AWSACCESSKEYID"}, file: ".passwd-s3fs"},
	{tool: "Litestream", variables: []string{"LITESTREAM_ACCESS_KEY_ID", "LITESTREAM_SECRET_ACCESS_KEY"}},
	{tool: "mc", variables: []string{"MC_HOST_"}},
	{tool: "AWS CDK", file: ".cdk.json", sign: `"profile"`},
	{tool: "boto", file: ".boto", sign: "aws_access_key_id"},
	{tool: "Java", variables: []string{"JAVA_TOOL_OPTIONS", "MAVEN_OPTS", "GRADLE_OPTS"}, sign: "-Daws."},
}

// checkTools looks for what makes tools pass over what chaim lends, also those that "chaim exec" starts.
func (c *checkup) checkTools() {
	var found []string
	for _, s := range toolSettings {
		var where []string
		for _, variable := range os.Environ() {
			name, value, _ := strings.Cut(variable, "=")
			isOne := slices.ContainsFunc(s.variables, func(v string) bool {
				return name == v || strings.HasSuffix(v, "_") && strings.HasPrefix(name, v)
			})
			if isOne && value != "" && strings.Contains(value, s.sign) {
				where = append(where, name)
			}
		}
		slices.Sort(where)
		if home, err := os.UserHomeDir(); err == nil && s.file != "" {
			text, err := sharedfile.File{Path: filepath.Join(home, s.file)}.Read()
			if err == nil && len(text) > 0 && bytes.Contains(text, []byte(s.sign)) {
				where = append(where, "~/"+s.file)
			}
		}
		if len(where) > 0 {
			found = append(found, s.tool+" ("+strings.Join(where, ", ")+")")
		}
	}
	if len(found) == 0 {
		c.ok("tools", "none that is known has keys of its own")
		return
	}
	c.warn("tools", strings.Join(found, ", ")+": may use keys of their own, whatever is lent to them",
		"see docs/tools.md, or take them away where they should use what is lent")
}
