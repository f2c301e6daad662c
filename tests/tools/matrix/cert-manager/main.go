// cert-manager-controller is cert-manager's controller, which can be asked for its version.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"

	"github.com/cert-manager/cert-manager/cmd/controller/app"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/util"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println("cert-manager version " + util.AppVersion)
		return
	}
	logf.InitLogs(flag.CommandLine)
	defer logf.FlushLogs()
	command := app.NewCommandStartCertManagerController(make(chan struct{}))
	command.Flags().AddGoFlagSet(flag.CommandLine)
	if err := command.Execute(); err != nil {
		log.Fatal(err)
	}
}
