package console

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// clipboardTools returns the commands that copy their input to the clipboard, the best first.
func clipboardTools() []string {
	switch runtime.GOOS {
	case "darwin":
		return []string{"pbcopy"}
	case "windows":
		return []string{"clip.exe"}
	}
	// clip.exe is that of Windows under WSL.
	tools := []string{"xclip -in -selection clipboard", "xsel --input --clipboard", "termux-clipboard-set", "clip.exe"}
	if os.Getenv("WAYLAND_DISPLAY") != "" {
		return append([]string{"wl-copy"}, tools...)
	}
	return tools
}

// copyText copies text to the clipboard by the first tool that is installed.
func copyText(ctx context.Context, text string) error {
	for _, tool := range clipboardTools() {
		args := strings.Fields(tool)
		if path, err := exec.LookPath(args[0]); err == nil {
			cmd := exec.CommandContext(ctx, path, args[1:]...) // without a pipe for output, which xclip would keep open
			cmd.Stdin = strings.NewReader(text)
			return cmd.Run()
		}
	}
	return errors.New("there is no tool for it, such as wl-copy, xclip, xsel or termux-clipboard-set")
}
