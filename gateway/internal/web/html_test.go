package web

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// element is an element of a page.
type element struct {
	name  string
	attrs map[string]string
	text  string // with that of the elements inside
}

// parsed is a page as a browser reads it.
type parsed struct {
	elements []*element
	text     string
}

// parse reads a page. Pages are well formed, so that a missing end tag is a failure.
func parse(t *testing.T, body string) parsed {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(strings.TrimPrefix(body, "<!doctype html>")))
	d.Strict, d.Entity = false, xml.HTMLEntity
	var p parsed
	var open []*element
	for {
		tok, err := d.Token()
		if err == io.EOF {
			require.Empty(t, open, "elements without an end tag")
			return p
		}
		require.NoError(t, err)
		switch tok := tok.(type) {
		case xml.StartElement:
			e := &element{name: tok.Name.Local, attrs: map[string]string{}}
			for _, a := range tok.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			p.elements, open = append(p.elements, e), append(open, e)
			if isVoid(e.name) { // which has no end tag
				open = open[:len(open)-1]
			}
		case xml.EndElement:
			if !isVoid(tok.Name.Local) {
				require.NotEmpty(t, open)
				require.Equal(t, open[len(open)-1].name, tok.Name.Local, "the end tag is that of the element")
				open = open[:len(open)-1]
			}
		case xml.CharData:
			p.text += string(tok)
			for _, e := range open {
				e.text += string(tok)
			}
		}
	}
}

func isVoid(name string) bool {
	switch name {
	case "meta", "link", "img", "input", "br", "hr":
		return true
	}
	return false
}

// all returns the elements with a name.
func (p parsed) all(name string) (list []*element) {
	for _, e := range p.elements {
		if e.name == name {
			list = append(list, e)
		}
	}
	return list
}

// byAttr returns the first element that has an attribute with a value, or nil.
func (p parsed) byAttr(name, value string) *element {
	for _, e := range p.elements {
		if v, has := e.attrs[name]; has && v == value {
			return e
		}
	}
	return nil
}

// checkPage asserts what is true of every page.
func checkPage(t *testing.T, body string) parsed {
	t.Helper()
	p := parse(t, body)
	ids, labels := map[string]bool{}, map[string]bool{}
	for _, e := range p.elements {
		if id, has := e.attrs["id"]; has {
			assert.False(t, ids[id], "the id %q is there once", id)
			ids[id] = true
		}
		if e.name == "label" {
			labels[e.attrs["for"]] = true
		}
		for name := range e.attrs {
			assert.False(t, name == "style" || strings.HasPrefix(name, "on"), "%s has no %s", e.name, name)
		}
	}
	assert.Empty(t, p.all("style"))
	assert.NotContains(t, body, "ZgotmplZ", "html/template refused a value")
	for _, e := range p.all("script") {
		assert.True(t, strings.HasPrefix(e.attrs["src"], "/static/script."), "a script of our own")
		assert.Empty(t, strings.TrimSpace(e.text), "no inline script")
	}
	for _, name := range []string{"input", "select"} {
		for _, e := range p.all(name) {
			assert.True(t, e.attrs["type"] == "hidden" || labels[e.attrs["id"]], "the field %q has a label", e.attrs["name"])
		}
	}
	for _, e := range p.all("img") {
		_, has := e.attrs["alt"]
		assert.True(t, has)
	}
	checkLinks(t, p, ids)
	require.Len(t, p.all("h1"), 1)
	require.Len(t, p.all("title"), 1)
	assert.Contains(t, p.all("title")[0].text, " – chaim gateway")
	assert.Equal(t, "en", p.all("html")[0].attrs["lang"])
	assert.NotNil(t, p.byAttr("href", "#main"), "a link skips the navigation")
	assert.NotContains(t, body, sessionText)
	return p
}

// checkLinks asserts that a page leads to pages of our own only, but for the AWS console.
func checkLinks(t *testing.T, p parsed, ids map[string]bool) {
	t.Helper()
	for _, e := range p.elements {
		for _, name := range []string{"href", "src", "action"} {
			target, has := e.attrs[name]
			switch {
			case !has || target == consoleURL:
			case strings.HasPrefix(target, "#"):
				assert.True(t, ids[target[1:]], "%s is on the page", target)
			default:
				assert.Equal(t, target, localPath(target), "%s leads to a page of our own", e.name)
			}
		}
		if e.name == "form" {
			assert.Contains(t, []string{"get", "post"}, e.attrs["method"])
		}
	}
}

// get asks for a page.
func get(h http.Handler, path string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
	return rec
}

// post sends a form.
func post(h http.Handler, path string, pairs ...string) *httptest.ResponseRecorder {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return send(h, path, form)
}

func send(h http.Handler, path string, form url.Values) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	h.ServeHTTP(rec, r)
	return rec
}
