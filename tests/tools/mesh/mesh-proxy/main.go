// mesh-proxy is what remains of Envoy in an Istio sidecar without TLS and routes: it sends
// redirected connections to where they were going, inbound ones from 127.0.0.6, and counts
// both.
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	inboundPort  = 15006
	outboundPort = 15001
	// Istio's rules do not redirect it.
	statusPort = 15020
	// The option in which netfilter keeps where a redirected connection was going:
	// SO_ORIGINAL_DST in linux/netfilter_ipv4.h.
	originalDestination = 80
	// As Envoy's default for clusters.
	connectTimeout = 5 * time.Second
)

// The source of Istio's inbound connections, by which its rules know them.
var inboundSource = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 6)}

var inbound, outbound atomic.Int64

func main() {
	go serve(inboundPort, &net.Dialer{Timeout: connectTimeout, LocalAddr: inboundSource}, &inbound)
	go serve(outboundPort, &net.Dialer{Timeout: connectTimeout}, &outbound)
	http.HandleFunc("/connections", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"inbound": %d, "outbound": %d}`+"\n", inbound.Load(), outbound.Load())
	})
	log.Fatal(http.ListenAndServe(fmt.Sprintf(":%d", statusPort), nil))
}

func serve(port int, dialer *net.Dialer, count *atomic.Int64) {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{Port: port})
	if err != nil {
		log.Fatal(err)
	}
	for {
		connection, err := listener.AcceptTCP()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer connection.Close()
			if err := forward(connection, port, dialer, count); err != nil {
				log.Printf("from %s at port %d: %v", connection.RemoteAddr(), port, err)
			}
		}()
	}
}

func forward(connection *net.TCPConn, port int, dialer *net.Dialer, count *atomic.Int64) error {
	to, err := destination(connection)
	if err != nil {
		return err
	}
	if to.Port == port {
		return fmt.Errorf("it was not redirected")
	}
	dialed, err := dialer.Dial("tcp4", to.String())
	if err != nil {
		return err
	}
	defer dialed.Close()
	count.Add(1)
	done := make(chan struct{})
	go func() {
		pass(dialed.(*net.TCPConn), connection)
		close(done)
	}()
	pass(connection, dialed.(*net.TCPConn))
	<-done
	return nil
}

// pass copies until one side has nothing more to say, which the other is then told.
func pass(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		to.SetLinger(0)
		to.Close()
		return
	}
	to.CloseWrite()
}

func destination(connection *net.TCPConn) (*net.TCPAddr, error) {
	raw, err := connection.SyscallConn()
	if err != nil {
		return nil, err
	}
	// The struct that the syscall package can read begins with the sixteen bytes that
	// netfilter writes: a sockaddr_in.
	var address *syscall.IPv6Mreq
	var failure error
	err = raw.Control(func(fd uintptr) {
		address, failure = syscall.GetsockoptIPv6Mreq(int(fd), syscall.IPPROTO_IP, originalDestination)
	})
	if err != nil {
		return nil, err
	}
	if failure != nil {
		return nil, failure
	}
	in := address.Multiaddr
	return &net.TCPAddr{IP: net.IPv4(in[4], in[5], in[6], in[7]), Port: int(binary.BigEndian.Uint16(in[2:4]))}, nil
}
