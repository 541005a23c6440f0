package sharedfile

import (
	"errors"
	"fmt"
)

// Reserve sets aside size bytes of disk space, which [Side.Discard] frees for other files. The file keeps its length. A
// later call with a larger size sets aside what is missing. If the file system cannot do that, Reserve does nothing.
func (s *Side) Reserve(size int64) error {
	err := reserve(s.file, size)
	if IsFull(err) {
		return fmt.Errorf("chaim: there is no space to remove the profile again: %s needs %d more bytes on its disk: %w", s.path, size, err)
	}
	return nil
}

// IsFull reports whether err means that the disk or the quota is full.
func IsFull(err error) bool { return errors.Is(err, errFull) || errors.Is(err, errQuota) }

// Discard removes a locked file. Its space is free at once, even if another process has the file open.
func (s *Side) Discard() error {
	for _, size := range []int64{1, 0} { // some file systems free nothing if the size stays the same
		if err := s.file.Truncate(size); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return s.Remove()
}
