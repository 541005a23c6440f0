package api

import (
	"encoding/json"
	"slices"
)

// Routes returns the routes of the API, sorted.
func Routes() (list []string) {
	for _, r := range (&API{}).routes() {
		list = append(list, r.method+" "+r.path)
	}
	slices.Sort(list)
	return list
}

// CheckBody reads a body as one that asks for keys, and returns the names of its fields.
func CheckBody(body string) (names []string, err error) {
	if err := checkFields([]byte(body), fieldsOf(&credentialsAsk{})); err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	err = json.Unmarshal([]byte(body), &all)
	for name := range all {
		names = append(names, name)
	}
	return names, err
}
