package main

import "os/exec"

// refuseArguments tells why a program cannot be given its arguments. That it is not found is told elsewhere.
func refuseArguments(words []string) *programError {
	path, err := exec.LookPath(words[0])
	if err != nil {
		return nil
	}
	return batchFailure(path, words)
}
