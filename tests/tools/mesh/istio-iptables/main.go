// istio-iptables is what Istio's init container runs: Istio's own rules, which redirect the
// connections of a pod to its proxy.
package main

import (
	"log"

	istiolog "istio.io/istio/pkg/log"
	"istio.io/istio/tools/istio-iptables/pkg/cmd"
)

func main() {
	command := cmd.GetCommand(istiolog.DefaultOptions())
	if err := command.Execute(); err != nil {
		log.Fatal(err)
	}
}
