package chaim

// readCommand is the command line that prints a file.
func readCommand(path string) string { return `cmd /c type "` + path + `"` }
