// istio-injector is the part of Istio's control plane that injects its proxy into pods:
// Istio's own webhook, with templates and values from a folder, and without a cluster.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"path/filepath"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/config/mesh/meshwatcher"
	"istio.io/istio/pkg/kube/inject"
	"istio.io/istio/pkg/kube/krt"
	"istio.io/istio/pkg/version"
)

func main() {
	address := flag.String("address", "localhost:15017", "where to listen")
	folder := flag.String("folder", ".", "with config and values of Istio's ConfigMap, tls.crt and tls.key")
	asked := flag.Bool("version", false, "print the version and exit")
	flag.Parse()
	if *asked {
		fmt.Println("istio version " + version.Info.Version)
		return
	}
	in := func(name string) string { return filepath.Join(*folder, name) }
	watcher, err := inject.NewFileWatcher(in("config"), in("values"))
	if err != nil {
		log.Fatal(err)
	}
	config := krt.NewStatic(&meshwatcher.MeshConfigResource{MeshConfig: mesh.DefaultMeshConfig()}, true)
	mux := http.NewServeMux()
	_, err = inject.NewWebhook(inject.WebhookParameters{
		Watcher: watcher,
		Env:     &model.Environment{Watcher: meshwatcher.ConfigAdapter(config)},
		Mux:     mux,
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServeTLS(*address, in("tls.crt"), in("tls.key"), mux))
}
