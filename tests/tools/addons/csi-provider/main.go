// csi-provider is a Secrets Store provider whose store is a folder: each
// SecretProviderClass parameter "objects" names files, comma separated, and
// their contents and a digest as their version are what it answers.
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
	"strings"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"
)

type server struct{ store string }

func (s *server) Version(context.Context, *v1alpha1.VersionRequest) (*v1alpha1.VersionResponse, error) {
	return &v1alpha1.VersionResponse{Version: "v1alpha1", RuntimeName: "e2e-provider", RuntimeVersion: "0.0.10"}, nil
}

func (s *server) Mount(_ context.Context, r *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
	var at map[string]string
	if err := json.Unmarshal([]byte(r.GetAttributes()), &at); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	var mode os.FileMode
	if err := json.Unmarshal([]byte(r.GetPermission()), &mode); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	out := &v1alpha1.MountResponse{}
	for _, o := range strings.Split(at["objects"], ",") {
		o = strings.TrimSpace(o)
		if o == "" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(s.store, filepath.Base(o)))
		if err != nil {
			return nil, status.Error(codes.NotFound, "no such object: "+o)
		}
		h := sha256.Sum256(b)
		out.ObjectVersion = append(out.ObjectVersion, &v1alpha1.ObjectVersion{Id: "secret/" + o, Version: hex.EncodeToString(h[:8])})
		out.Files = append(out.Files, &v1alpha1.File{Path: o, Mode: int32(mode), Contents: b})
	}
	log.Printf("mount pod=%s/%s sa=%s objects=%d current=%d", at["csi.storage.k8s.io/pod.namespace"], at["csi.storage.k8s.io/pod.name"], at["csi.storage.k8s.io/serviceAccount.name"], len(out.Files), len(r.GetCurrentObjectVersion()))
	return out, nil
}

func main() {
	socket := flag.String("endpoint", "/providers/e2e-provider.sock", "socket, named after the provider")
	store := flag.String("store", "/store", "folder of objects")
	flag.Parse()
	if err := os.Remove(*socket); err != nil && !os.IsNotExist(err) {
		log.Fatal(err)
	}
	l, err := net.Listen("unix", *socket)
	if err != nil {
		log.Fatal(err)
	}
	g := grpc.NewServer()
	v1alpha1.RegisterCSIDriverProviderServer(g, &server{store: *store})
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT)
	go func() { <-c; g.GracefulStop() }()
	log.Fatal(g.Serve(l))
}
