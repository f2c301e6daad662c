// csi-provider is a Secrets Store provider whose store is a folder. It goes by
// any number of names, that of Azure's provider too, whose parameters it reads:
// a SecretProviderClass can be tested as it will be used.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"
)

type server struct{ store string }

func (s *server) Version(context.Context, *v1alpha1.VersionRequest) (*v1alpha1.VersionResponse, error) {
	return &v1alpha1.VersionResponse{Version: "v1alpha1", RuntimeName: "csi-provider", RuntimeVersion: "1.0.0"}, nil
}

// Mount answers with the objects' contents, and with digests of them as their
// versions.
func (s *server) Mount(_ context.Context, r *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
	var parameters map[string]string
	if err := json.Unmarshal([]byte(r.GetAttributes()), &parameters); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	var mode os.FileMode
	if err := json.Unmarshal([]byte(r.GetPermission()), &mode); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	wanted, err := objects(parameters)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	answer := &v1alpha1.MountResponse{}
	for _, o := range wanted {
		contents, err := os.ReadFile(filepath.Join(s.store, filepath.Base(o.name)))
		if err != nil {
			return nil, status.Error(codes.NotFound, "no such object: "+o.name)
		}
		digest := sha256.Sum256(contents)
		version := &v1alpha1.ObjectVersion{Id: "secret/" + o.name, Version: hex.EncodeToString(digest[:8])}
		answer.ObjectVersion = append(answer.ObjectVersion, version)
		answer.Files = append(answer.Files, &v1alpha1.File{Path: o.file, Mode: int32(mode), Contents: contents})
	}
	pod := parameters["csi.storage.k8s.io/pod.namespace"] + "/" + parameters["csi.storage.k8s.io/pod.name"]
	log.Printf("mounted %d objects for %s", len(wanted), pod)
	return answer, nil
}

// listen makes the socket PROVIDERS/NAME.sock, whose name is the provider's.
func listen(providers, name string) (net.Listener, error) {
	socket := filepath.Join(providers, name+".sock")
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return net.Listen("unix", socket)
}

func main() {
	providers := flag.String("providers", "/providers", "folder of the providers' sockets")
	store := flag.String("store", "/store", "folder of objects")
	flag.Parse()
	g := grpc.NewServer()
	v1alpha1.RegisterCSIDriverProviderServer(g, &server{store: *store})
	ended := make(chan error)
	for _, name := range flag.Args() {
		l, err := listen(*providers, name)
		if err != nil {
			log.Fatal(err)
		}
		go func() { ended <- g.Serve(l) }()
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() { <-signals; g.GracefulStop() }()
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
}
