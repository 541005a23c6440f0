package awsprofile

import "strings"

// RunsChaim reports whether a credential_process runs a chaim that lends keys, directly or through a shell or env.
func RunsChaim(process string) bool {
	isProgram := false
	for _, word := range strings.FieldsFunc(process, func(r rune) bool { return strings.ContainsRune(" \t\"';&|()", r) }) {
		program := strings.TrimSuffix(word[strings.LastIndexAny(word, `/\`)+1:], ".exe")
		switch {
		case isProgram && (word == "credential-process" || word == "env"):
			return true
		case program == "chaim" && !strings.Contains(word, "="):
			isProgram = true
		}
	}
	return false
}
