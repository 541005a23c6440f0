package audit

// syncFolder does nothing: NTFS keeps a journal of its names.
func syncFolder(string) error { return nil }
