// telegraf is Telegraf with what a test needs: it takes lines over HTTP, and writes them on
// with Prometheus' remote write. Its own program needs ten times as many modules.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os/signal"
	"syscall"

	"github.com/influxdata/telegraf/agent"
	"github.com/influxdata/telegraf/config"
	_ "github.com/influxdata/telegraf/plugins/inputs/http_listener_v2"
	_ "github.com/influxdata/telegraf/plugins/outputs/http"
	_ "github.com/influxdata/telegraf/plugins/parsers/influx"
	_ "github.com/influxdata/telegraf/plugins/serializers/prometheusremotewrite"
)

// Set by the linker.
var version = "unknown"

func main() {
	file := flag.String("config", "", "configuration file")
	asked := flag.Bool("version", false, "print the version")
	flag.Parse()
	if *asked {
		fmt.Println("Telegraf " + version)
		return
	}
	settings := config.NewConfig()
	if err := settings.LoadAll(*file); err != nil {
		log.Fatal(err)
	}
	stopped, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	if err := agent.NewAgent(settings).Run(stopped); err != nil {
		log.Fatal(err)
	}
}
