package pyliteral_test

import (
	"fmt"

	"github.com/chaim-go/chaim/internal/pyliteral"
)

func ExampleParse() {
	v, err := pyliteral.Parse(`{'sectionname': "O'Brien", 'expires': 1536139015, 'url': None, 'accountlist': (('1', 'a'), ('2', 'b'))}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	reply := v.(pyliteral.Dict)
	name, _ := reply.Get("sectionname")
	expires, _ := reply.Get("expires")
	url, ok := reply.Get("url")
	fmt.Println(name, expires.(int64), url, ok)

	accounts, _ := reply.Get("accountlist")
	for _, account := range accounts.(pyliteral.Tuple) {
		fmt.Println(account.(pyliteral.Tuple)...)
	}
	// Output:
	// O'Brien 1536139015 <nil> true
	// 1 a
	// 2 b
}

func ExampleParse_refused() {
	_, err := pyliteral.Parse(`{'secretkey': open('/etc/passwd')}`)
	fmt.Println(err)
	// Output: pyliteral: offset 14: unexpected character
}

func ExampleQuote() {
	fmt.Println(pyliteral.Quote("team-dev"), pyliteral.Quote("O'Brien"), pyliteral.Quote("a\tb"))
	// Output: 'team-dev' "O'Brien" 'a\tb'
}
