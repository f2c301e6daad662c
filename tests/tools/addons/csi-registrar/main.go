// csi-registrar tells the kubelet of one CSI driver, as the CSI project's
// node-driver-registrar does: it serves pluginregistration on a socket in the
// kubelet's plugins_registry folder.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"google.golang.org/grpc"
	registerapi "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// A driver has its socket in a second, where it can have one at all.
const patience = time.Minute

type server struct {
	registerapi.UnimplementedRegistrationServer
	name, endpoint string
}

func (s *server) GetInfo(context.Context, *registerapi.InfoRequest) (*registerapi.PluginInfo, error) {
	return &registerapi.PluginInfo{
		Type: registerapi.CSIPlugin, Name: s.name, Endpoint: s.endpoint,
		SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (s *server) NotifyRegistrationStatus(_ context.Context, st *registerapi.RegistrationStatus) (*registerapi.RegistrationStatusResponse, error) {
	log.Printf("registered=%v %s", st.PluginRegistered, st.Error)
	if !st.PluginRegistered {
		os.Exit(1) // the container restarts and tries again
	}
	return &registerapi.RegistrationStatusResponse{}, nil
}

func main() {
	name := flag.String("driver-name", "secrets-store.csi.k8s.io", "CSI driver")
	endpoint := flag.String("kubelet-registration-path", "", "the driver's socket as the kubelet sees it")
	dir := flag.String("plugin-registration-path", "/registration", "the kubelet's plugins_registry as this process sees it")
	driver := flag.String("csi-address", "/csi/csi.sock", "the driver's socket as this process sees it")
	flag.Parse()
	// The kubelet dials the driver as soon as it sees this program's socket.
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		if _, err := os.Stat(*driver); err == nil {
			break
		} else if time.Now().After(deadline) {
			log.Fatal(err)
		}
	}
	socket := filepath.Join(*dir, *name+"-reg.sock")
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		log.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		log.Fatal(err)
	}
	g := grpc.NewServer()
	registerapi.RegisterRegistrationServer(g, &server{name: *name, endpoint: *endpoint})
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT)
	go func() { <-c; os.Remove(socket); g.Stop() }()
	log.Fatal(g.Serve(l))
}
