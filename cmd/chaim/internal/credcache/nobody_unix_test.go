//go:build unix

package credcache

import (
	"os"
	"strconv"
	"syscall"
)

// nobody is a user without rights.
const nobody = 65534

// becomeNobody gives up root, which no mode of a file keeps out.
func becomeNobody(mask string) {
	n, err := strconv.ParseInt(mask, 8, 0)
	if err != nil {
		panic(err)
	}
	syscall.Umask(int(n))
	if os.Geteuid() == 0 {
		for _, err := range []error{syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)} {
			if err != nil {
				panic(err)
			}
		}
	}
}
