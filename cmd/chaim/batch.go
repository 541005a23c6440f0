package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/chaim-go/chaim"
)

// batchSpecial are the characters that cmd.exe, which runs batch files, may take for a part of a command. Package os/exec
// puts quotes around words with spaces only, and cmd.exe replaces %NAME% within quotes too.
const batchSpecial = "%!^&|<>\"\r\n\x00"

// batchFailure tells why the program at path, if it is a batch file of Windows, cannot be given the words of a command line,
// its own name first. It does not quote them, as they may hold secrets.
func batchFailure(path string, words []string) *programError {
	switch strings.ToLower(filepath.Ext(strings.TrimRight(path, ". "))) { // which Windows ignores at the end
	case ".bat", ".cmd":
	default:
		return nil
	}
	for i, word := range words {
		if at := strings.IndexAny(word, batchSpecial); at >= 0 {
			what := "its name"
			if i > 0 {
				what = fmt.Sprintf("argument %d", i)
			}
			return &programError{exitCannotRun, fmt.Sprintf("cannot run %q: it is a batch file, and cmd.exe could read the %q of %s "+
				"as part of a command; leave that out, or run the program that the batch file starts", words[0], word[at], what)}
		}
	}
	return nil
}

// refuseForAny returns what check has against the program with the words that one of the accounts gives it. Accounts that
// fail for another reason are left to their turn.
func refuseForAny(program []string, accounts []chaim.Account, check func(words []string) *programError) *programError {
	for _, account := range accounts {
		words, err := expand(program, account)
		if err != nil {
			continue
		}
		if failure := check(words); failure != nil {
			failure.text = fmt.Sprintf("account %q: %s", nameOf(account), failure.text)
			return failure
		}
	}
	return nil
}
