// Package browser holds tests only, with the build tag browser: a person signs in with 'chaim login' in a real browser. They
// need Debian's chromium, or the browser that CHROMIUM names. They are a module of their own, so that users of chaim do not
// get the driver.
//
//	go test -tags browser .
package browser
