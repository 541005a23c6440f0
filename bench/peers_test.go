package bench

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/ini.v1"
)

// One edit, compared with other programs. None of them locks the file, waits for the disk, or keeps the other bytes.
func BenchmarkPeer(b *testing.B) {
	for _, peer := range []struct {
		name string
		edit func(b *testing.B) (edit func(path, section, key, value string))
	}{
		{"ini.v1", iniEditor},
		{"configparser", configparserEditor},
	} {
		for _, n := range []int{100, 10_000} {
			b.Run(fmt.Sprintf("%s/%dsections", peer.name, n), func(b *testing.B) {
				path := newFile(b, document(n))
				generation := 0
				rewrite := peer.edit(b)
				ours, _ := editor(b, n)
				compare(b, 0, func() {
					generation++
					rewrite(path, sectionName(n/2), "aws_access_key_id", keyID(generation))
				}, ours)
				text, err := os.ReadFile(path)
				require.NoError(b, err)
				require.Contains(b, string(text), keyID(generation))
			})
		}
	}
}

func iniEditor(b *testing.B) func(path, section, key, value string) {
	return func(path, section, key, value string) {
		file, err := ini.Load(path)
		require.NoError(b, err)
		file.Section(section).Key(key).SetValue(value)
		require.NoError(b, file.SaveTo(path))
	}
}

// configparserEditor uses one interpreter. Its start is not measured.
func configparserEditor(b *testing.B) func(path, section, key, value string) {
	python := exec.CommandContext(b.Context(), "python3", "testdata/rewrite.py")
	python.Stderr = os.Stderr
	requests, err := python.StdinPipe()
	require.NoError(b, err)
	replies, err := python.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, python.Start())
	lines := bufio.NewReader(replies)
	b.Cleanup(func() {
		require.NoError(b, requests.Close())
		_, err := io.Copy(io.Discard, lines)
		require.NoError(b, err)
		_ = python.Wait() // it ends with the context or its input
	})
	return func(path, section, key, value string) {
		_, err := fmt.Fprintln(requests, path, section, key, value)
		require.NoError(b, err)
		reply, err := lines.ReadString('\n')
		require.NoError(b, err)
		require.Equal(b, "done\n", reply)
	}
}
