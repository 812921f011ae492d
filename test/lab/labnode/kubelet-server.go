package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

const followInterval = 200 * time.Millisecond

// serveKubelet is what the API server calls for `kubectl exec` and `kubectl logs`.
func (n *node) serveKubelet() error {
	certificate, err := n.selfSigned()
	if err != nil {
		return err
	}
	routes := http.NewServeMux()
	routes.HandleFunc("/exec/{namespace}/{pod}/{container}", n.serveExec)
	routes.HandleFunc("/containerLogs/{namespace}/{pod}/{container}", n.serveLog)
	server := &http.Server{
		Addr:    net.JoinHostPort(n.address, strconv.Itoa(kubeletPort)),
		Handler: routes,
		// Connections are upgraded, which HTTP/2 does not know.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
		TLSConfig:    &tls.Config{Certificates: []tls.Certificate{certificate}},
	}
	return server.ListenAndServeTLS("", "")
}

func (n *node) selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: n.name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0), IPAddresses: []net.IP{net.ParseIP(n.address)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// requested answers 404 itself when there is no such container.
func (n *node) requested(w http.ResponseWriter, r *http.Request) *container {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.pods {
		if object := p.current(); object.Namespace == r.PathValue("namespace") && object.Name == r.PathValue("pod") {
			c, err := p.find(r.PathValue("container"))
			if err != nil {
				http.Error(w, err.Error(), http.StatusNotFound)
			}
			return c
		}
	}
	http.Error(w, "no such pod", http.StatusNotFound)
	return nil
}

func (n *node) serveExec(w http.ResponseWriter, r *http.Request) {
	c := n.requested(w, r)
	if c == nil {
		return
	}
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	remotecommand.ServeExec(w, r, executor{c}, c.pod.current().Name, string(c.pod.current().UID), c.spec.Name,
		r.Form["command"], options, 4*time.Hour, 30*time.Second, remotecommand.SupportedStreamingProtocols)
}

type executor struct{ container *container }

func (e executor) ExecInContainer(ctx context.Context, _ string, _ string, _ string, command []string,
	in io.Reader, out, errors io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration) error {
	var errorOutput io.Writer = errors
	if errors == nil { // with a terminal there is one output
		errorOutput = out
	}
	err := e.container.execute(ctx, command, in, out, errorOutput)
	if ended, ok := err.(*exec.ExitError); ok {
		return exitStatus{ended}
	}
	return err
}

// exitStatus is how the streaming library asks for the exit code.
type exitStatus struct{ *exec.ExitError }

func (e exitStatus) ExitStatus() int { return e.ExitCode() }
func (e exitStatus) String() string  { return e.Error() }

func (n *node) serveLog(w http.ResponseWriter, r *http.Request) {
	c := n.requested(w, r)
	if c == nil {
		return
	}
	file, err := os.Open(c.logFile())
	if err != nil {
		http.Error(w, fmt.Sprintf("container %s has no log yet", c.spec.Name), http.StatusBadRequest)
		return
	}
	defer file.Close()
	if lines, err := strconv.Atoi(r.URL.Query().Get("tailLines")); err == nil {
		skipToLastLines(file, lines)
	}
	_, _ = io.Copy(w, file)
	for r.URL.Query().Get("follow") == "true" {
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-c.pod.stopped:
			return
		case <-time.After(followInterval):
			_, _ = io.Copy(w, file)
		}
	}
}

func skipToLastLines(file *os.File, count int) {
	text, _ := io.ReadAll(file)
	lines := strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
	kept := strings.Join(lines[max(0, len(lines)-count):], "")
	_, _ = file.Seek(max(0, int64(strings.LastIndex(string(text), kept))), io.SeekStart)
}
