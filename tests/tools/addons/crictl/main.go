// crictl answers what kind asks a node: `images`, `inspecti IMAGE`; and for a
// person who looks for a fault `ps` and `pods`. The real one is no module that
// can be fetched.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	containerd = "unix:///run/containerd/containerd.sock"
	// containerd answers at once, or is not there.
	patience = 10 * time.Second
)

type node struct {
	images  cri.ImageServiceClient
	runtime cri.RuntimeServiceClient
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	connection, err := grpc.NewClient(containerd, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	n := node{cri.NewImageServiceClient(connection), cri.NewRuntimeServiceClient(connection)}
	switch {
	case len(args) == 1 && args[0] == "images":
		return n.listImages(ctx)
	case len(args) == 2 && args[0] == "inspecti":
		return n.inspectImage(ctx, args[1])
	case len(args) == 1 && args[0] == "ps":
		return n.listContainers(ctx)
	case len(args) == 1 && args[0] == "pods":
		return n.listPods(ctx)
	}
	return errors.New("usage: crictl images | inspecti IMAGE | ps | pods")
}

func (n node) listImages(ctx context.Context) error {
	found, err := n.images.ListImages(ctx, &cri.ListImagesRequest{})
	if err != nil {
		return err
	}
	for _, image := range found.Images {
		for _, tag := range image.RepoTags {
			fmt.Printf("%-60s %.19s %d\n", tag, image.Id, image.Size)
		}
	}
	return nil
}

// inspectImage prints what kind reads: status.id and status.repoTags.
func (n node) inspectImage(ctx context.Context, name string) error {
	request := &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: name}}
	found, err := n.images.ImageStatus(ctx, request)
	if err != nil {
		return err
	}
	if found.Image == nil {
		return fmt.Errorf("no such image %q present", name)
	}
	text, err := protojson.Marshal(found.Image)
	if err != nil {
		return err
	}
	fmt.Printf("{\"status\": %s}\n", text)
	return nil
}

func (n node) listContainers(ctx context.Context) error {
	found, err := n.runtime.ListContainers(ctx, &cri.ListContainersRequest{})
	if err != nil {
		return err
	}
	for _, c := range found.Containers {
		pod := c.Labels["io.kubernetes.pod.name"]
		fmt.Printf("%.13s %-40s %-20s %s\n", c.Id, pod, c.Metadata.Name, c.State)
	}
	return nil
}

func (n node) listPods(ctx context.Context) error {
	found, err := n.runtime.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
	if err != nil {
		return err
	}
	for _, p := range found.Items {
		fmt.Printf("%.13s %s/%s %s\n", p.Id, p.Metadata.Namespace, p.Metadata.Name, p.State)
	}
	return nil
}
