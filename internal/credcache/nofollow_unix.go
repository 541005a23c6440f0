//go:build unix

package credcache

import "syscall"

const noFollow = syscall.O_NOFOLLOW
