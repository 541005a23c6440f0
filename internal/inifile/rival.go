package inifile

import "strings"

// Rival finds, in the text of an AWS config file, what SDKs would use in place of a profile's keys: the name of the
// section and the key of the line, or nothing.
func Rival(doc []byte, profile string) (section, key string) {
	for _, s := range Scan(doc) {
		fields := strings.Fields(s.Name())
		isNamed := len(fields) == 2 && fields[0] == "profile" && strings.Trim(fields[1], `"'`) == profile
		if !isNamed && !(profile == DefaultSection && s.Name() == profile) {
			continue
		}
		for l := range s.Lines(doc) {
			if IsDecisive(l.Key) {
				return s.Name(), l.Key
			}
		}
	}
	return "", ""
}
