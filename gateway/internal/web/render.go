package web

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"strings"

	"github.com/chaim-go/chaim/gateway/internal/portal"
)

//go:embed templates
var templateFiles embed.FS

// site is what all pages share.
type site struct {
	Site
	assets assets
	pages  map[string]*template.Template
}

// page is what a template gets.
type page struct {
	Title   string
	Section string     // the path of the entry in the navigation that the page belongs to
	Me      *portal.Me // nil if the user is not known
	Data    any
	Site    Site
	Path    string // of the request, for the way back after a sign-in
}

// message is the content of a page that only has a message.
type message struct {
	Text string
}

func newSite(s Site) site {
	st := site{Site: s, assets: newAssets(), pages: map[string]*template.Template{}}
	funcs := template.FuncMap{
		"asset": st.assets.path, "utc": utc, "iso": iso, "left": left, "span": lifetime, "kind": kindText, "state": stateText,
		"command": command, "link": with, "field": newField, "pairs": pairs, "short": short, "entry": newEntry, "sentence": sentence,
	}
	layout := template.Must(template.New("layout").Funcs(funcs).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html"))
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		panic(err) // the pattern is right
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "templates/"), ".html")
		if name != "layout" && name != "parts" {
			st.pages[name] = template.Must(template.Must(layout.Clone()).ParseFS(templateFiles, file))
		}
	}
	return st
}

// render writes a whole page or, if its template fails, only that it failed. No cache keeps a page.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, name string, pg page) {
	pg.Site, pg.Path = p.site.Site, r.URL.RequestURI()
	var text bytes.Buffer
	if err := p.site.pages[name].ExecuteTemplate(&text, "layout", pg); err != nil {
		p.deps.Log.Error("writing a page", "page", name, "error", err)
		http.Error(w, "The gateway could not write this page.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // the browser has gone
}
