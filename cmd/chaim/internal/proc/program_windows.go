package proc

import "os/exec"

// CheckWords refuses words that a batch file cannot be given. The first is the program, which may be missing.
func CheckWords(words []string) error {
	path, err := exec.LookPath(words[0])
	if err != nil {
		return nil
	}
	return checkBatch(path, words)
}
