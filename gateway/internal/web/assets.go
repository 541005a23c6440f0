package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// assets are the files that pages load. Each has the hash of its content in its path, so that caches may keep it for ever.
type assets struct {
	paths map[string]string // by the name of the file
	files map[string]asset  // by the last part of the path
}

type asset struct {
	content   []byte
	mediaType string
}

func newAssets() assets {
	a := assets{paths: map[string]string{}, files: map[string]asset{}}
	files, err := fs.ReadDir(assetFiles, "assets")
	if err != nil {
		panic(err) // it is embedded
	}
	for _, file := range files {
		content, err := fs.ReadFile(assetFiles, "assets/"+file.Name())
		if err != nil {
			panic(err) // it is embedded
		}
		sum, ext := sha256.Sum256(content), path.Ext(file.Name())
		name := strings.TrimSuffix(file.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		a.paths[file.Name()] = "/static/" + name
		a.files[name] = asset{content, mediaTypes[ext]}
	}
	return a
}

// mediaTypes are fixed, because those of package mime depend on the machine.
var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// path returns where browsers get a file.
func (a assets) path(name string) string { return a.paths[name] }

func (a assets) serve(w http.ResponseWriter, r *http.Request) {
	file, isKnown := a.files[r.PathValue("file")]
	if !isKnown {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Type", file.mediaType)
	_, _ = w.Write(file.content) // the browser has gone
}
