package sharedfile

import (
	"errors"
	"fmt"
)

// Reserve sets that many bytes of disk space aside for what will be written after [Side.Discard]. The file stays as long
// as it is. A later call with a larger size sets aside what is missing. Where the file system cannot do that, nothing happens.
func (s *Side) Reserve(size int64) error {
	err := reserve(s.file, size)
	if IsFull(err) {
		return fmt.Errorf("chaim: there is no space to remove the profile again: %s needs %d more bytes on its disk: %w", s.path, size, err)
	}
	return nil
}

// IsFull reports whether something could not be written because there is no space for it.
func IsFull(err error) bool { return errors.Is(err, errFull) || errors.Is(err, errQuota) }

// Discard removes a locked file. Its space is free at once, even if another process has the file open.
func (s *Side) Discard() error {
	for _, size := range []int64{1, 0} { // as some file systems free nothing while the size stays the same
		if err := s.file.Truncate(size); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return s.Remove()
}
