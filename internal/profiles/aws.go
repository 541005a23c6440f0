package profiles

import (
	"maps"
	"slices"

	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
)

// Profiles reads what the AWS config file and the credentials file say about profiles. A missing file says nothing.
func (AWSFiles) Profiles() (files awsprofile.Files, err error) {
	files = awsprofile.Files{
		Profiles: map[string]awsprofile.Pairs{}, Sessions: map[string]awsprofile.Pairs{}, Bare: map[string]bool{}, Lent: map[string]bool{},
	}
	add := func(name string, pairs awsprofile.Pairs) {
		if files.Profiles[name] == nil {
			files.Profiles[name] = awsprofile.Pairs{}
			files.Names = append(files.Names, name)
		}
		maps.Copy(files.Profiles[name], pairs)
	}
	config, err := readAWS(awsenv.ConfigPath())
	if err != nil {
		return files, errtext.Wrap(err, "reading the AWS config file")
	}
	// [profile default] comes before [default], whose values it replaces.
	for _, s := range slices.SortedStableFunc(slices.Values(config.Sections()), defaultFirst) {
		switch kind, name := s.ConfigName(); kind {
		case "profile":
			add(name, s.Settings())
		case "sso-session":
			files.Sessions[name] = s.Settings()
		case "":
			files.Bare[name] = true
		}
	}
	credentials, err := readAWS(awsenv.CredentialsPath(""))
	if err != nil {
		return files, errtext.Wrap(err, "reading the AWS credentials file")
	}
	for _, s := range credentials.Sections() {
		pairs := s.Settings()
		isCopy := s.Name() == inifile.DefaultSection && pairs["aws_access_key_id"] != "" && hasCopy(credentials)
		if isCopy || s.Name() != inifile.DefaultSection && pairs[inifile.MarkerKey] != "" {
			files.Lent[s.Name()] = true
			continue
		}
		add(s.Name(), pairs)
	}
	return files, nil
}

// readAWS reads a file. It leaves a pipe to the program that is to read it.
func readAWS(path string, err error) (*inifile.Document, error) {
	switch {
	case err != nil:
		return nil, err
	case (AWSFiles{}).IsOnlyOnce(path):
		return inifile.Parse(nil), nil
	}
	return Open(path, nil, nil).Read()
}

// defaultFirst sorts [default] before all other sections.
func defaultFirst(a, b inifile.Section) int {
	switch isA, isB := a.Name() == inifile.DefaultSection, b.Name() == inifile.DefaultSection; {
	case isA && !isB:
		return -1
	case isB && !isA:
		return 1
	}
	return 0
}
