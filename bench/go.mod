module github.com/chaim-go/chaim/bench

go 1.26

require (
	github.com/aws/aws-sdk-go-v2 v1.47.7
	github.com/chaim-go/chaim v0.0.0
	github.com/stretchr/testify v1.12.1
	golang.org/x/sys v0.47.0
	gopkg.in/ini.v1 v1.67.3
)

require (
	github.com/aws/smithy-go v1.28.8 // indirect
	github.com/gofrs/flock v0.13.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/chaim-go/chaim => ../
