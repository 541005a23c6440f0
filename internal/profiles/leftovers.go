package profiles

// Leftovers counts the profiles and the leases that dead processes left. A sweep removes them.
func (b *Book) Leftovers() (profiles, files int, err error) {
	doc, err := b.Read()
	if err != nil {
		return 0, 0, err
	}
	scopes, err := leasesBeside(b.file.Path)
	if err != nil {
		return 0, 0, err
	}
	for _, s := range doc.Sections() {
		pairs := s.Managed()
		if _, isIntact := markOf(pairs); isIntact && !scopes.isLive(pairs) {
			profiles++
		}
	}
	ids, _ := scopes.files()
	for _, id := range ids {
		if isDead, isThere, err := scopes.isDead(id); isDead && isThere && err == nil {
			files++
		}
	}
	return profiles, files, nil
}

// FolderBeside returns the folder of chaim's own files beside the credentials file at path.
func FolderBeside(path string) (string, error) {
	scopes, err := leasesBeside(path)
	return scopes.folder, err
}
