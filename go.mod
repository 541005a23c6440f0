module github.com/chaim-go/chaim

go 1.26
