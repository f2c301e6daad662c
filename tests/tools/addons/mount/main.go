// mount is `mount` and `umount`, by the name it is called by, in an image that
// holds nothing else: as much of them as the Secrets Store CSI driver asks for.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

func main() {
	if err := run(filepath.Base(os.Args[0]), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(name string, args []string) error {
	switch {
	case name == "mount" && len(args) == 4 && args[0] == "-t":
		if err := syscall.Mount(args[2], args[3], args[1], 0, ""); err != nil {
			return fmt.Errorf("mount: %s: %w", args[3], err)
		}
		return nil
	case name == "umount" && len(args) == 1:
		err := syscall.Unmount(args[0], 0)
		// In the words that Kubernetes looks for.
		if errors.Is(err, syscall.EINVAL) {
			return fmt.Errorf("umount: %s: not mounted", args[0])
		}
		if err != nil {
			return fmt.Errorf("umount: %s: %w", args[0], err)
		}
		return nil
	}
	return fmt.Errorf("%s %q: expected mount -t TYPE SOURCE TARGET, or umount TARGET", name, args)
}
