//go:build faults && linux

package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim"
)

const (
	childVariable = "CHAIM_FAULTS_CHILD"
	nobody        = 65534
	manyScopes    = 20
	keyID         = "ASIAIOSFODNN7EXAMPLE"
)

func TestMain(m *testing.M) {
	// The tests do not read the user's ~/.aws.
	if err := os.Setenv("AWS_CONFIG_FILE", filepath.Join(os.TempDir(), "chaim-no-such-file")); err != nil {
		panic(err)
	}
	if os.Getenv(childVariable) != "" {
		child(os.Args[1], os.Args[2])
		return
	}
	os.Exit(m.Run())
}

// pick returns its first figure in CI, and the second in a soak run.
func pick(ci, soak int) int {
	if os.Getenv("CHAIM_SOAK") != "" {
		return soak
	}
	return ci
}

// source always gives the same keys, so that what is written can be compared byte for byte.
var source = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{
		AccessKeyID:     keyID,
		SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		SessionToken:    strings.Repeat("FwoGZXIvYXdzEXAMPLE/", 40),
		CanExpire:       true,
		Expires:         time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
	}, nil
})

func options(dir string, form chaim.ProfileForm) chaim.Options {
	return chaim.Options{Account: "sredev", Dir: dir, Source: source, Form: form}
}

// outcome is the outcome of a scope.
type outcome struct {
	Called bool // the function of the scope was called
	Err    string
	Is     []string // names of the causes that the error wraps
}

var causes = map[string]error{
	"EFBIG": syscall.EFBIG, "EIO": syscall.EIO, "EMFILE": syscall.EMFILE, "ENOSPC": syscall.ENOSPC, "EROFS": syscall.EROFS,
	"permission": fs.ErrPermission,
}

func with(opts chaim.Options) (o outcome) {
	err := chaim.WithContext(context.Background(), opts, func(context.Context, *chaim.Client) error {
		o.Called = true
		return nil
	})
	if err == nil {
		return o
	}
	o.Err = err.Error()
	for name, cause := range causes {
		if errors.Is(err, cause) {
			o.Is = append(o.Is, name)
		}
	}
	return o
}

// child is a program that uses chaim. command runs this test binary so.
func child(mode, dir string) {
	form := chaim.Keys
	if files, ok := strings.CutPrefix(mode, "files "); ok {
		more, err := strconv.Atoi(files)
		check(err)
		limitFiles(more)
		mode = "once"
	}
	switch mode {
	case "process":
		form = chaim.Process
		fallthrough
	case "once":
		os.Getppid() // see trace
		check(json.NewEncoder(os.Stdout).Encode(with(options(dir, form))))
	case "full":
		os.Getppid() // see trace
		check(chaim.WithContext(context.Background(), options(dir, form), func(context.Context, *chaim.Client) error {
			fill(dir)
			return nil
		}))
	case "no space":
		failForSpace(dir)
	case "kept":
		opts := options(dir, form)
		opts.TempName, opts.Keep = "kept", true
		os.Getppid() // see trace
		check(json.NewEncoder(os.Stdout).Encode(with(opts)))
	case "nobody":
		check(syscall.Setgroups(nil))
		check(syscall.Setgid(nobody))
		check(syscall.Setuid(nobody))
		child("once", dir)
	case "loop":
		for {
			if o := with(options(dir, form)); o.Err != "" {
				log.Fatal(o.Err)
			}
			fmt.Println("done")
		}
	case "many":
		var wg sync.WaitGroup
		for range manyScopes {
			wg.Go(func() { inScope(dir, func() {}) })
		}
		wg.Wait()
	case "sleep":
		inScope(dir, func() {
			sleep := exec.Command("sleep", "600")
			check(sleep.Start())
			fmt.Println(sleep.Process.Pid)
		})
	default:
		inScope(dir, exits[mode])
	}
}

// failForSpace prints whether there is too little space for a scope, and then waits until it is killed.
func failForSpace(dir string) {
	opts := options(dir, chaim.Keys)
	opts.TempName = "dev"
	c, err := chaim.New(opts)
	check(err)
	_, err = c.RequestKeys(context.Background())
	fmt.Println(errors.Is(err, syscall.ENOSPC))
	select {}
}

// limitFiles lets this process open so many files more than Go itself needs.
func limitFiles(more int) {
	r, w, err := os.Pipe() // makes Go open the files that it needs for waiting
	check(errors.Join(err, r.Close(), w.Close()))
	open, err := os.ReadDir("/proc/self/fd")
	check(err)
	limit := uint64(len(open) - 1 + more) // without the folder itself
	check(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit, Max: limit}))
}

// inScope opens a scope, prints its profile for the test, runs f, and stays in the scope.
func inScope(dir string, f func()) {
	check(chaim.WithContext(context.Background(), options(dir, chaim.Keys), func(_ context.Context, c *chaim.Client) error {
		fmt.Println(c.Profile())
		f()
		select {}
	}))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
