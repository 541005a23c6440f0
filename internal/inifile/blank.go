package inifile

import (
	"bytes"
	"iter"
)

// secretKeys are those whose values give access to AWS. An access key id alone does not.
var secretKeys = map[string]bool{
	"aws_secret_access_key": true, "aws_session_token": true, "aws_security_token": true, "gui_url": true,
}

const filler = 'x'

// Blank returns a function that overwrites the secrets that remove takes out of a text with as many letters, and changes
// nothing else.
func Blank(remove func([]byte) ([]byte, error)) func([]byte) ([]byte, error) {
	return func(doc []byte) ([]byte, error) {
		after, err := remove(doc)
		if err != nil {
			return nil, err
		}
		return blank(doc, after), nil
	}
}

func blank(doc, after []byte) []byte {
	stays := map[string]bool{}
	for id := range secrets(after) {
		stays[id] = true
	}
	out := bytes.Clone(doc)
	for id, value := range secrets(out) {
		if !stays[id] {
			copy(value, bytes.Repeat([]byte{filler}, len(value)))
		}
	}
	return out
}

// secrets yields where in doc the secrets are that chaim may have written, with what tells one from another.
func secrets(doc []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, s := range Scan(doc) {
			for l := range s.Lines(doc) {
				if !secretKeys[l.Key] || l.kind != ownLine {
					continue
				}
				value := bytes.TrimSpace(l.text[bytes.IndexAny(l.text, "=:")+1:])
				if !yield(s.Name()+"\n"+string(value), value) {
					return
				}
			}
		}
	}
}
